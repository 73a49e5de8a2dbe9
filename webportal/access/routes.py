"""What each route of the portal shows: the declaration that every route needs.

A route without one returns nothing (`middleware.py`), and one that shows patients must report them
(`shown.py`) in every response.
"""

from dataclasses import dataclass

from webportal.access.models import AccessKind


@dataclass(frozen=True)
class Declaration:
    """What a route shows.

    If `always` is set, a response without reported patients is withheld. `polled` routes are
    requested repeatedly by an open page: responses to such requests are logged only for patients
    that the same session has not just been shown.
    """

    kind: AccessKind
    always: bool = True
    polled: bool = False


#: Kinds that may concern a patient; the others concern what hospital IT and auditors administer.
OF_PATIENTS = frozenset(
    {
        AccessKind.LIST,
        AccessKind.PATIENT,
        AccessKind.STUDY,
        AccessKind.IMAGE,
        AccessKind.RESULT,
        AccessKind.REPORT,
        AccessKind.EXPORT,
        AccessKind.HELD_FILE,
        AccessKind.NOTIFICATION,
    }
)


class UndeclaredError(Exception):
    """A route without a declaration, or a response without the patients it shows."""


_FORM_OF_STUDY = Declaration(AccessKind.STUDY, always=False)

# None: the response never concerns a patient, nor data administered by hospital IT.
_ROUTES: dict[str, Declaration | AccessKind | None] = {
    "home": None,
    "set-language": None,
    "csp-reports": None,
    "in-use": None,
    "lock": None,
    "unlock": None,
    "unlock-passkey": None,
    # accounts
    "accounts:sign-in": Declaration(AccessKind.SIGN_IN, always=False),
    "accounts:second-step": Declaration(AccessKind.SIGN_IN, always=False),
    "accounts:passkey-sign-in": Declaration(AccessKind.SIGN_IN, always=False),
    "accounts:passkey-options": None,
    "accounts:oidc": None,
    "accounts:oidc-callback": Declaration(AccessKind.SIGN_IN, always=False),
    "accounts:oidc-logout": None,
    "accounts:saml": None,
    "accounts:saml-acs": Declaration(AccessKind.SIGN_IN, always=False),
    "accounts:saml-logout": None,
    "accounts:saml-metadata": None,
    "accounts:confirm": None,
    "accounts:second-factor": None,
    "accounts:recovery-codes": None,
    "accounts:app": None,
    "accounts:remove-app": None,
    "accounts:passkeys": None,
    "accounts:new-passkey-options": None,
    "accounts:remove-passkey": None,
    "accounts:sign-out": None,
    "accounts:change-password": None,
    "accounts:sessions": None,
    "accounts:end-session": None,
    "accounts:sign-out-everywhere": None,
    "accounts:tokens": None,
    "accounts:revoke-token": None,
    "accounts:departments": AccessKind.USERS,
    "accounts:department": AccessKind.USERS,
    "accounts:users": AccessKind.USERS,
    "accounts:user": AccessKind.USERS,
    "accounts:approve-roles": None,
    "accounts:turn-down-roles": None,
    "accounts:approval-passkey": None,
    "accounts:reset-password": None,
    "accounts:reset-second-factor": None,
    # records
    "records:patients": AccessKind.LIST,
    "records:search": None,
    "records:patient": AccessKind.PATIENT,
    "records:edit-patient": AccessKind.PATIENT,
    # intake
    "intake:batches": AccessKind.LIST,
    "intake:new-batch": None,
    "intake:sheet-template": None,
    # The content of the uploader's own sheet, before any of it is recorded.
    "intake:check-sheet": None,
    "intake:held": AccessKind.LIST,
    "intake:held-item": Declaration(AccessKind.HELD_FILE, always=False),
    "intake:held-image": AccessKind.IMAGE,
    "intake:batch": AccessKind.LIST,
    "intake:batch-status": Declaration(AccessKind.LIST, polled=True),
    "intake:received": Declaration(AccessKind.LIST, polled=True),
    "intake:upload": Declaration(AccessKind.LIST, always=False),
    # notifications
    "notifications:list": AccessKind.NOTIFICATION,
    "notifications:badge": None,
    "notifications:read-all": None,
    "notifications:preferences": None,
    "notifications:open": None,
    # batches of uploads
    "results:batch": AccessKind.LIST,
    "results:identify": AccessKind.LIST,
    "results:csv": AccessKind.EXPORT,
    "results:pdf": AccessKind.EXPORT,
    # reports
    "reports:list": AccessKind.LIST,
    "reports:report": AccessKind.REPORT,
    "reports:pdf": AccessKind.REPORT,
    "reports:key-image": AccessKind.IMAGE,
    # review
    "review:emergency": Declaration(AccessKind.PATIENT, always=False),
    "review:emergency-passkey": None,
    "review:end-emergency": None,
    "review:study-department": _FORM_OF_STUDY,
    "review:worklist": Declaration(AccessKind.LIST, polled=True),
    "review:search": None,
    "review:next": None,
    "review:columns": None,
    "review:save-view": None,
    "review:change-view": None,
    "review:delete-view": None,
    "review:bulk": Declaration(AccessKind.LIST, always=False),
    "review:study": AccessKind.STUDY,
    "review:status": _FORM_OF_STUDY,
    "review:reserve": None,
    "review:renew": None,
    "review:give-back": None,
    "review:draft": None,
    "review:discard-draft": None,
    "review:sign": _FORM_OF_STUDY,
    "review:sign-passkey": None,
    "review:addendum": _FORM_OF_STUDY,
    "review:correction-seen": None,
    "review:priority": None,
    "review:read-prior": None,
    "review:rerun-study": None,
    "review:case-record": AccessKind.STUDY,
    "review:study-patient": AccessKind.STUDY,
    "review:take-back": None,
    "review:text-templates": None,
    "review:text-template": None,
    "review:remove-template": None,
    "review:signing-pin": None,
    "review:agreement": None,
    # URLs of images that the browser may fetch: ids only.
    "review:ahead": None,
    "review:shortcuts": None,
    "review:open-results": None,
    "review:reads-first": None,
    "review:pixels": AccessKind.IMAGE,
    "review:viewed": None,
    "review:image": AccessKind.IMAGE,
    "review:original": AccessKind.EXPORT,
    "review:rerun": None,
    "review:heatmap": AccessKind.RESULT,
    "review:legend": None,
    "review:cancel": None,
    "review:release": None,
    # orders
    "orders:to-decide": AccessKind.LIST,
    "orders:study-order": _FORM_OF_STUDY,
    "orders:sources": AccessKind.OPERATION,
    "orders:source": AccessKind.OPERATION,
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
    # API
    "api:schema": None,
    "api:token-list": Declaration(AccessKind.SIGN_IN, always=False),
    "api:token-detail": None,
    "api:patient-list": AccessKind.LIST,
    "api:patient-search": AccessKind.LIST,
    "api:patient-detail": AccessKind.PATIENT,
    "api:patient-correct": AccessKind.PATIENT,
    "api:study-list": AccessKind.LIST,
    "api:study-search": AccessKind.LIST,
    "api:study-worklist": AccessKind.LIST,
    "api:study-second-reads": AccessKind.LIST,
    "api:study-detail": AccessKind.STUDY,
    "api:study-patient": AccessKind.PATIENT,
    "api:study-correct-patient": AccessKind.PATIENT,
    "api:study-department": AccessKind.STUDY,
    "api:study-rerun-rerun": None,
    "api:bulk-bulk-assign": None,
    "api:bulk-bulk-priority": None,
    "api:bulk-bulk-rerun": None,
    "api:reading-take-next": None,
    "api:reading-draft": AccessKind.STUDY,
    "api:reading-reservation": None,
    "api:reading-sign": AccessKind.STUDY,
    "api:radiograph-list": AccessKind.LIST,
    "api:radiograph-detail": AccessKind.IMAGE,
    "api:radiograph-original": AccessKind.EXPORT,
    "api:radiograph-dicom": AccessKind.EXPORT,
    "api:radiograph-image": AccessKind.IMAGE,
    "api:radiograph-viewed": None,
    "api:radiograph-rerun": None,
    "api:job-list": AccessKind.OPERATION,
    "api:job-detail": AccessKind.OPERATION,
    "api:job-cancel": AccessKind.OPERATION,
    "api:job-release": AccessKind.OPERATION,
    "api:prediction-list": AccessKind.RESULT,
    "api:prediction-detail": AccessKind.RESULT,
    "api:prediction-heatmap": AccessKind.RESULT,
    "api:agreement-list": None,
    "api:text-template-list": None,
    "api:read-list": AccessKind.LIST,
    "api:read-detail": AccessKind.STUDY,
    "api:read-addenda": AccessKind.STUDY,
    "api:read-take-back": AccessKind.STUDY,
    "api:read-corrections-seen": AccessKind.STUDY,
    "api:batch-list": AccessKind.LIST,
    "api:batch-detail": AccessKind.LIST,
    "api:batch-files": AccessKind.LIST,
    "api:batch-result-check-sheet": None,
    "api:batch-result-results": AccessKind.LIST,
    "api:batch-result-results-csv": AccessKind.EXPORT,
    "api:notification-list": AccessKind.NOTIFICATION,
    "api:notification-read": AccessKind.NOTIFICATION,
    "api:held-file-list": AccessKind.LIST,
    "api:held-file-detail": AccessKind.HELD_FILE,
    "api:held-file-resolve": AccessKind.HELD_FILE,
    "api:held-file-resolve-many": Declaration(AccessKind.HELD_FILE, always=False),
    "api:model-version-list": None,
    "api:model-version-detail": None,
    "api:model-version-activate": AccessKind.OPERATION,
    "api:job-change-all": None,
    "api:patient-erasure-erasure": AccessKind.PATIENT,
    "api:erasure-list": AccessKind.OPERATION,
    "api:erasure-detail": AccessKind.OPERATION,
    "api:erasure-confirm": AccessKind.OPERATION,
    "api:erasure-decline": AccessKind.OPERATION,
    "api:erasure-certificate": AccessKind.OPERATION,
    "api:queue-list": AccessKind.OPERATION,
    "api:queue-pause": AccessKind.OPERATION,
    "api:queue-resume": AccessKind.OPERATION,
    "api:worker-list": AccessKind.OPERATION,
    "api:worker-detail": AccessKind.OPERATION,
    "api:worker-drain": AccessKind.OPERATION,
    "api:worker-resume": AccessKind.OPERATION,
    "api:worker-stop": AccessKind.OPERATION,
    "api:dicom-node-list": AccessKind.OPERATION,
    "api:dicom-node-detail": AccessKind.OPERATION,
    "api:dicom-node-echo": None,
    "api:received-instance-list": AccessKind.OPERATION,
    "api:received-instance-detail": AccessKind.OPERATION,
    "api:received-instance-adopt": AccessKind.OPERATION,
    "api:received-instance-retry": AccessKind.OPERATION,
    "api:received-instance-discard": AccessKind.OPERATION,
    "api:research-export-list": None,
    "api:research-export-detail": None,
    "api:research-export-file": AccessKind.EXPORT,
    "api:department-list": None,
    "api:department-detail": None,
    "api:user-list": AccessKind.USERS,
    "api:user-detail": AccessKind.USERS,
    "api:user-reset-password": None,
    "api:access-entry-list": AccessKind.AUDIT,
    "api:access-entry-patients": AccessKind.AUDIT,
    "dicomweb:studies": AccessKind.LIST,
    "dicomweb:series": AccessKind.LIST,
    "dicomweb:instances": AccessKind.LIST,
    "dicomweb:study": AccessKind.EXPORT,
    "dicomweb:study-metadata": AccessKind.STUDY,
    "dicomweb:study-thumbnail": AccessKind.IMAGE,
    "dicomweb:study-series": AccessKind.LIST,
    "dicomweb:study-instances": AccessKind.LIST,
    "dicomweb:one-series": AccessKind.EXPORT,
    "dicomweb:series-metadata": AccessKind.STUDY,
    "dicomweb:series-thumbnail": AccessKind.IMAGE,
    "dicomweb:series-instances": AccessKind.LIST,
    "dicomweb:instance": AccessKind.EXPORT,
    "dicomweb:instance-metadata": AccessKind.STUDY,
    "dicomweb:rendered": AccessKind.IMAGE,
    "dicomweb:thumbnail": AccessKind.IMAGE,
    "dicomweb:bulk-data": AccessKind.IMAGE,
    "dicomweb:frames": AccessKind.IMAGE,
    "dicomweb:frame-rendered": AccessKind.IMAGE,
    "dicomweb:frame-thumbnail": AccessKind.IMAGE,
    "api:audit-entry-list": AccessKind.AUDIT,
    "api:audit-entry-verify": AccessKind.AUDIT,
    "api:audit-entry-verification": AccessKind.AUDIT,
}

ROUTES: dict[str, Declaration | None] = {
    name: Declaration(shows) if isinstance(shows, AccessKind) else shows
    for name, shows in _ROUTES.items()
}


def declaration_of(route: str) -> Declaration | None:
    """What a route shows; raises UndeclaredError if it has no declaration."""
    try:
        return ROUTES[route]
    except KeyError:
        raise UndeclaredError(
            f"What {route or 'this route'} shows is not declared: add it to"
            " webportal/access/routes.py."
        ) from None
