"""What pages of hospital IT, auditors and researchers show."""

from webportal.access.models import AccessKind
from webportal.access.routes.declarations import Declaration, Declared

ROUTES: Declared = {
    # inference
    "inference:models": None,
    "inference:compare": None,
    "inference:model": None,
    "inference:plot": None,
    "inference:activate": AccessKind.OPERATION,
    # oversight: figures without patients.
    "oversight:drift": None,
    "oversight:shadows": AccessKind.OPERATION,
    "oversight:shadow": AccessKind.OPERATION,
    "oversight:start": None,
    "oversight:end": None,
    "oversight:passkey": None,
    # audit
    "audit:trail": AccessKind.AUDIT,
    "audit:export": AccessKind.AUDIT,
    "audit:accesses": AccessKind.AUDIT,
    "audit:search-accesses": None,
    "audit:export-accesses": AccessKind.AUDIT,
    "audit:emergencies": AccessKind.AUDIT,
    "audit:emergency": AccessKind.AUDIT,
    "audit:verify": None,
    "audit:verification": Declaration(AccessKind.AUDIT, polled=True),
    # network
    "network:network": AccessKind.OPERATION,
    "network:node": AccessKind.OPERATION,
    "network:test-node": None,
    "network:prior-source": AccessKind.OPERATION,
    "network:priors": AccessKind.OPERATION,
    "network:prior-again": None,
    "network:commitments": AccessKind.OPERATION,
    "network:commitment-again": None,
    "network:inbox": AccessKind.OPERATION,
    "network:adopt": None,
    "network:retry": None,
    "network:discard": None,
    "network:discard-kept": None,
    # delivery
    "delivery:destinations": AccessKind.OPERATION,
    "delivery:new": AccessKind.OPERATION,
    "delivery:destination": AccessKind.OPERATION,
    "delivery:outbox": AccessKind.OPERATION,
    "delivery:test": None,
    "delivery:pause": None,
    "delivery:resume": None,
    "delivery:remove": None,
    # research: the page shows figures, the file the de-identified studies.
    "research:exports": None,
    "research:download": AccessKind.EXPORT,
    "research:remove": None,
    # operations
    "operations:queue": Declaration(AccessKind.OPERATION, polled=True),
    "operations:pause-queue": None,
    "operations:resume-queue": None,
    "operations:change-all": Declaration(AccessKind.OPERATION),
    "operations:capacity": Declaration(AccessKind.OPERATION),
    "operations:worker": Declaration(AccessKind.OPERATION, polled=True),
    "operations:stop": None,
    "operations:drain": None,
    "operations:resume": None,
    "operations:release-job": None,
    "operations:cancel-job": None,
    "operations:check-file": None,
    "operations:resume-removal": None,
    "operations:set-aside": None,
    "operations:send-again": None,
    "operations:give-up": None,
    "retention:retention": AccessKind.OPERATION,
    "retention:lift": None,
    # It redirects to the patient's page, which reports the patient.
    "retention:place": None,
    # These show ids, numbers and hashes, but no patient.
    "erasure:erasures": AccessKind.OPERATION,
    "erasure:erasure": AccessKind.OPERATION,
    "erasure:certificate": AccessKind.OPERATION,
    "erasure:confirm": None,
    "erasure:erase-due": None,
    "erasure:decline": None,
    "erasure:passkey": None,
    # It redirects to the patient's page, which reports the patient.
    "erasure:request": None,
    # Figures without patient data, polled by a monitoring system every few seconds.
    "operations:metrics": None,
    "operations:live": None,
    "operations:ready": None,
}
