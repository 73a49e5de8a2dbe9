"""What each route of the portal shows: the declaration that every route needs.

A route without one returns nothing (`middleware.py`), and one that shows patients must report them
(`shown.py`) in every response.
"""

from dataclasses import dataclass

from webportal.access.models import Kind


@dataclass(frozen=True)
class Declaration:
    """What a route shows.

    If `always` is set, a response without reported patients is withheld. `polled` routes are
    requested repeatedly by an open page: responses to such requests are logged only for patients
    that the same session has not just been shown.
    """

    kind: Kind
    always: bool = True
    polled: bool = False


#: Kinds that may concern a patient; the others concern what hospital IT and auditors administer.
OF_PATIENTS = frozenset(
    {
        Kind.LIST,
        Kind.PATIENT,
        Kind.STUDY,
        Kind.IMAGE,
        Kind.RESULT,
        Kind.REPORT,
        Kind.EXPORT,
        Kind.HELD_FILE,
        Kind.NOTIFICATION,
    }
)


class UndeclaredError(Exception):
    """A route without a declaration, or a response without the patients it shows."""


_FORM_OF_STUDY = Declaration(Kind.STUDY, always=False)

# None: the response never concerns a patient, nor data administered by hospital IT.
_ROUTES: dict[str, Declaration | Kind | None] = {
    "home": None,
    "set-language": None,
    "csp-reports": None,
    # accounts
    "accounts:sign-in": Declaration(Kind.SIGN_IN, always=False),
    "accounts:second-step": Declaration(Kind.SIGN_IN, always=False),
    "accounts:passkey-sign-in": Declaration(Kind.SIGN_IN, always=False),
    "accounts:passkey-options": None,
    "accounts:oidc": None,
    "accounts:oidc-callback": Declaration(Kind.SIGN_IN, always=False),
    "accounts:oidc-logout": None,
    "accounts:saml": None,
    "accounts:saml-acs": Declaration(Kind.SIGN_IN, always=False),
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
    "accounts:departments": Kind.USERS,
    "accounts:department": Kind.USERS,
    "accounts:users": Kind.USERS,
    "accounts:user": Kind.USERS,
    "accounts:reset-password": None,
    "accounts:reset-second-factor": None,
    # records
    "records:patients": Kind.LIST,
    "records:search": None,
    "records:patient": Kind.PATIENT,
    "records:edit-patient": Kind.PATIENT,
    # intake
    "intake:batches": Kind.LIST,
    "intake:new-batch": None,
    "intake:sheet-template": None,
    # The content of the uploader's own sheet, before any of it is recorded.
    "intake:check-sheet": None,
    "intake:held": Kind.LIST,
    "intake:held-item": Declaration(Kind.HELD_FILE, always=False),
    "intake:held-image": Kind.IMAGE,
    "intake:batch": Kind.LIST,
    "intake:batch-status": Declaration(Kind.LIST, polled=True),
    "intake:received": Declaration(Kind.LIST, polled=True),
    "intake:upload": Declaration(Kind.LIST, always=False),
    # notifications
    "notifications:list": Kind.NOTIFICATION,
    "notifications:badge": None,
    "notifications:read-all": None,
    "notifications:preferences": None,
    "notifications:open": None,
    # batches of uploads
    "results:batch": Kind.LIST,
    "results:identify": Kind.LIST,
    "results:csv": Kind.EXPORT,
    "results:pdf": Kind.EXPORT,
    # reports
    "reports:list": Kind.LIST,
    "reports:report": Kind.REPORT,
    "reports:pdf": Kind.REPORT,
    "reports:key-image": Kind.IMAGE,
    # review
    "review:emergency": Declaration(Kind.PATIENT, always=False),
    "review:emergency-passkey": None,
    "review:end-emergency": None,
    "review:study-department": _FORM_OF_STUDY,
    "review:worklist": Declaration(Kind.LIST, polled=True),
    "review:search": None,
    "review:next": None,
    "review:columns": None,
    "review:save-view": None,
    "review:change-view": None,
    "review:delete-view": None,
    "review:bulk": Declaration(Kind.LIST, always=False),
    "review:study": Kind.STUDY,
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
    "review:case-record": Kind.STUDY,
    "review:study-patient": Kind.STUDY,
    "review:take-back": None,
    "review:text-templates": None,
    "review:text-template": None,
    "review:remove-template": None,
    "review:lock": None,
    "review:unlock": None,
    "review:unlock-passkey": None,
    "review:signing-pin": None,
    "review:agreement": None,
    # URLs of images that the browser may fetch: ids only.
    "review:ahead": None,
    "review:shortcuts": None,
    "review:open-results": None,
    "review:reads-first": None,
    "review:pixels": Kind.IMAGE,
    "review:viewed": None,
    "review:image": Kind.IMAGE,
    "review:original": Kind.EXPORT,
    "review:rerun": None,
    "review:heatmap": Kind.RESULT,
    "review:legend": None,
    "review:cancel": None,
    "review:release": None,
    # orders
    "orders:to-decide": Kind.LIST,
    "orders:study-order": _FORM_OF_STUDY,
    "orders:sources": Kind.OPERATION,
    "orders:source": Kind.OPERATION,
    # inference
    "inference:models": None,
    "inference:compare": None,
    "inference:model": None,
    "inference:activate": Kind.OPERATION,
    # oversight: figures without patients.
    "oversight:drift": None,
    "oversight:shadows": Kind.OPERATION,
    "oversight:shadow": Kind.OPERATION,
    "oversight:start": None,
    "oversight:end": None,
    "oversight:passkey": None,
    # audit
    "audit:trail": Kind.AUDIT,
    "audit:export": Kind.AUDIT,
    "audit:accesses": Kind.AUDIT,
    "audit:search-accesses": None,
    "audit:export-accesses": Kind.AUDIT,
    "audit:emergencies": Kind.AUDIT,
    "audit:emergency": Kind.AUDIT,
    "audit:verify": None,
    "audit:verification": Declaration(Kind.AUDIT, polled=True),
    # network
    "network:network": Kind.OPERATION,
    "network:node": Kind.OPERATION,
    "network:test-node": None,
    "network:prior-source": Kind.OPERATION,
    "network:priors": Kind.OPERATION,
    "network:prior-again": None,
    "network:commitments": Kind.OPERATION,
    "network:commitment-again": None,
    "network:inbox": Kind.OPERATION,
    "network:adopt": None,
    "network:retry": None,
    "network:discard": None,
    # delivery
    "delivery:destinations": Kind.OPERATION,
    "delivery:new": Kind.OPERATION,
    "delivery:destination": Kind.OPERATION,
    "delivery:outbox": Kind.OPERATION,
    "delivery:test": None,
    "delivery:pause": None,
    "delivery:resume": None,
    "delivery:remove": None,
    # research: the page shows figures, the file the de-identified studies.
    "research:exports": None,
    "research:download": Kind.EXPORT,
    "research:remove": None,
    # operations
    "operations:queue": Declaration(Kind.OPERATION, polled=True),
    "operations:pause-queue": None,
    "operations:resume-queue": None,
    "operations:change-all": Declaration(Kind.OPERATION),
    "operations:capacity": Declaration(Kind.OPERATION),
    "operations:worker": Declaration(Kind.OPERATION, polled=True),
    "operations:stop": None,
    "operations:drain": None,
    "operations:resume": None,
    "operations:release-job": None,
    "operations:cancel-job": None,
    "operations:check-file": None,
    "operations:resume-removal": None,
    "retention:retention": Kind.OPERATION,
    "retention:lift": None,
    # It redirects to the patient's page, which reports the patient.
    "retention:place": None,
    # These show ids, numbers and hashes, but no patient.
    "erasure:erasures": Kind.OPERATION,
    "erasure:erasure": Kind.OPERATION,
    "erasure:certificate": Kind.OPERATION,
    "erasure:confirm": None,
    "erasure:confirm-due": None,
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
    "api:token-list": Declaration(Kind.SIGN_IN, always=False),
    "api:token-detail": None,
    "api:patient-list": Kind.LIST,
    "api:patient-search": Kind.LIST,
    "api:patient-detail": Kind.PATIENT,
    "api:patient-correct": Kind.PATIENT,
    "api:study-list": Kind.LIST,
    "api:study-search": Kind.LIST,
    "api:study-worklist": Kind.LIST,
    "api:study-second-reads": Kind.LIST,
    "api:study-detail": Kind.STUDY,
    "api:study-patient": Kind.PATIENT,
    "api:study-correct-patient": Kind.PATIENT,
    "api:study-department": Kind.STUDY,
    "api:study-rerun-rerun": None,
    "api:bulk-bulk-assign": None,
    "api:bulk-bulk-priority": None,
    "api:bulk-bulk-rerun": None,
    "api:reading-take-next": None,
    "api:reading-draft": Kind.STUDY,
    "api:reading-reservation": None,
    "api:reading-sign": Kind.STUDY,
    "api:radiograph-list": Kind.LIST,
    "api:radiograph-detail": Kind.IMAGE,
    "api:radiograph-original": Kind.EXPORT,
    "api:radiograph-dicom": Kind.EXPORT,
    "api:radiograph-image": Kind.IMAGE,
    "api:radiograph-viewed": None,
    "api:radiograph-rerun": None,
    "api:job-list": Kind.OPERATION,
    "api:job-detail": Kind.OPERATION,
    "api:job-cancel": Kind.OPERATION,
    "api:job-release": Kind.OPERATION,
    "api:prediction-list": Kind.RESULT,
    "api:prediction-detail": Kind.RESULT,
    "api:prediction-heatmap": Kind.RESULT,
    "api:agreement-list": None,
    "api:text-template-list": None,
    "api:read-list": Kind.LIST,
    "api:read-detail": Kind.STUDY,
    "api:read-addenda": Kind.STUDY,
    "api:read-take-back": Kind.STUDY,
    "api:read-corrections-seen": Kind.STUDY,
    "api:batch-list": Kind.LIST,
    "api:batch-detail": Kind.LIST,
    "api:batch-files": Kind.LIST,
    "api:batch-result-check-sheet": None,
    "api:batch-result-results": Kind.LIST,
    "api:batch-result-results-csv": Kind.EXPORT,
    "api:notification-list": Kind.NOTIFICATION,
    "api:notification-read": Kind.NOTIFICATION,
    "api:held-file-list": Kind.LIST,
    "api:held-file-detail": Kind.HELD_FILE,
    "api:held-file-resolve": Kind.HELD_FILE,
    "api:held-file-resolve-many": Declaration(Kind.HELD_FILE, always=False),
    "api:model-version-list": None,
    "api:model-version-detail": None,
    "api:model-version-activate": Kind.OPERATION,
    "api:job-change-all": None,
    "api:patient-erasure-erasure": Kind.PATIENT,
    "api:erasure-list": Kind.OPERATION,
    "api:erasure-detail": Kind.OPERATION,
    "api:erasure-confirm": Kind.OPERATION,
    "api:erasure-decline": Kind.OPERATION,
    "api:erasure-certificate": Kind.OPERATION,
    "api:queue-list": Kind.OPERATION,
    "api:queue-pause": Kind.OPERATION,
    "api:queue-resume": Kind.OPERATION,
    "api:worker-list": Kind.OPERATION,
    "api:worker-detail": Kind.OPERATION,
    "api:worker-drain": Kind.OPERATION,
    "api:worker-resume": Kind.OPERATION,
    "api:worker-stop": Kind.OPERATION,
    "api:dicom-node-list": Kind.OPERATION,
    "api:dicom-node-detail": Kind.OPERATION,
    "api:dicom-node-echo": None,
    "api:received-instance-list": Kind.OPERATION,
    "api:received-instance-detail": Kind.OPERATION,
    "api:received-instance-adopt": Kind.OPERATION,
    "api:received-instance-retry": Kind.OPERATION,
    "api:received-instance-discard": Kind.OPERATION,
    "api:department-list": None,
    "api:department-detail": None,
    "api:user-list": Kind.USERS,
    "api:user-detail": Kind.USERS,
    "api:user-reset-password": None,
    "api:access-entry-list": Kind.AUDIT,
    "api:access-entry-patients": Kind.AUDIT,
    "dicomweb:studies": Kind.LIST,
    "dicomweb:series": Kind.LIST,
    "dicomweb:instances": Kind.LIST,
    "dicomweb:study": Kind.EXPORT,
    "dicomweb:study-metadata": Kind.STUDY,
    "dicomweb:study-thumbnail": Kind.IMAGE,
    "dicomweb:study-series": Kind.LIST,
    "dicomweb:study-instances": Kind.LIST,
    "dicomweb:one-series": Kind.EXPORT,
    "dicomweb:series-metadata": Kind.STUDY,
    "dicomweb:series-thumbnail": Kind.IMAGE,
    "dicomweb:series-instances": Kind.LIST,
    "dicomweb:instance": Kind.EXPORT,
    "dicomweb:instance-metadata": Kind.STUDY,
    "dicomweb:rendered": Kind.IMAGE,
    "dicomweb:thumbnail": Kind.IMAGE,
    "dicomweb:bulk-data": Kind.IMAGE,
    "dicomweb:frames": Kind.IMAGE,
    "dicomweb:frame-rendered": Kind.IMAGE,
    "dicomweb:frame-thumbnail": Kind.IMAGE,
    "api:audit-entry-list": Kind.AUDIT,
    "api:audit-entry-verify": Kind.AUDIT,
    "api:audit-entry-verification": Kind.AUDIT,
}

ROUTES: dict[str, Declaration | None] = {
    name: Declaration(shows) if isinstance(shows, Kind) else shows
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
