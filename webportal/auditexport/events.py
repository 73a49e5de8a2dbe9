"""The DICOM audit event of each action in the trail (PS3.16, CID 400 and 401)."""

from enum import StrEnum
from typing import NamedTuple

from webportal.audit.models import Action


class EventID(StrEnum):
    """Audit event identifiers (CID 400), whose meanings are also DICOM's."""

    ACTIVITY = "110100"
    LOG_USED = "110101"
    ACCESSED = "110103"
    DELETED = "110105"
    EXPORT = "110106"
    IMPORT = "110107"
    PATIENT = "110110"
    PROCEDURE = "110111"
    QUERY = "110112"
    ALERT = "110113"
    AUTHENTICATION = "110114"

    @property
    def meaning(self) -> str:
        """The Code Meaning."""
        return _MEANINGS[self.value]


class EventType(StrEnum):
    """Audit event types (CID 401)."""

    LOGIN = "110122"
    LOGOUT = "110123"
    EMERGENCY_STARTED = "110127"
    NETWORK = "110128"
    SECURITY = "110129"
    SOFTWARE = "110131"
    ROLES = "110136"
    USER = "110137"
    EMERGENCY_STOPPED = "110138"

    @property
    def meaning(self) -> str:
        """The Code Meaning."""
        return _MEANINGS[self.value]


_MEANINGS = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110103": "DICOM Instances Accessed",
    "110105": "DICOM Study Deleted",
    "110106": "Export",
    "110107": "Import",
    "110110": "Patient Record",
    "110111": "Procedure Record",
    "110112": "Query",
    "110113": "Security Alert",
    "110114": "User Authentication",
    "110122": "Login",
    "110123": "Logout",
    "110127": "Emergency Override Started",
    "110128": "Network Configuration",
    "110129": "Security Configuration",
    "110131": "Software Configuration",
    "110136": "Security Roles Changed",
    "110137": "User Security Attributes Changed",
    "110138": "Emergency Override Stopped",
}
SUCCESS = 0
MINOR_FAILURE = 4
SERIOUS_FAILURE = 8


class AuditEvent(NamedTuple):
    """An event: EventID, EventActionCode (C, R, U, D or E for execute), outcome and type."""

    event_id: EventID
    action: str
    outcome: int = SUCCESS
    kind: EventType | None = None


_LOGIN = AuditEvent(EventID.AUTHENTICATION, "E", kind=EventType.LOGIN)
_LOGOUT = AuditEvent(EventID.AUTHENTICATION, "E", kind=EventType.LOGOUT)
_NO_LOGIN = _LOGIN._replace(outcome=MINOR_FAILURE)
_OF_USER = AuditEvent(EventID.ALERT, "E", kind=EventType.USER)
_OF_NETWORK = AuditEvent(EventID.ALERT, "E", kind=EventType.NETWORK)
_OF_SECURITY = AuditEvent(EventID.ALERT, "E", kind=EventType.SECURITY)
_OF_SOFTWARE = AuditEvent(EventID.ALERT, "E", kind=EventType.SOFTWARE)
_ACTIVITY = AuditEvent(EventID.ACTIVITY, "E")
_PATIENT_CHANGED = AuditEvent(EventID.PATIENT, "U")
_STUDY_CHANGED = AuditEvent(EventID.PROCEDURE, "U")
_LOOKED = AuditEvent(EventID.ACCESSED, "R")
_OUT = AuditEvent(EventID.EXPORT, "R")
_IN = AuditEvent(EventID.IMPORT, "C")
_NOT_IN = _IN._replace(outcome=MINOR_FAILURE)
_QUERIED = AuditEvent(EventID.QUERY, "E")
_LOG_READ = AuditEvent(EventID.LOG_USED, "R")

EVENTS = {
    Action.SIGNED_IN: _LOGIN,
    Action.SIGN_IN_FAILED: _NO_LOGIN,
    Action.SIGNED_OUT: _LOGOUT,
    Action.SESSION_LOCKED: _LOGOUT,
    Action.SESSION_UNLOCKED: _LOGIN,
    Action.UNLOCK_FAILED: _NO_LOGIN,
    Action.SIGNATURE_FAILED: AuditEvent(EventID.AUTHENTICATION, "E", MINOR_FAILURE),
    Action.USER_CREATED: _OF_USER,
    Action.USER_CHANGED: AuditEvent(EventID.ALERT, "E", kind=EventType.ROLES),
    Action.ROLES_REQUESTED: _OF_SECURITY,
    Action.ROLES_APPROVED: _OF_SECURITY,
    Action.ROLES_REJECTED: _OF_SECURITY,
    Action.ROLES_WITHDRAWN: _OF_SECURITY,
    Action.PASSWORD_CHANGED: _OF_USER,
    Action.IDENTITY_LINKED: _OF_USER,
    Action.FACTOR_ADDED: _OF_USER,
    Action.FACTOR_REMOVED: _OF_USER,
    Action.FACTORS_RESET: _OF_USER,
    Action.RECOVERY_CODES_MADE: _OF_USER,
    Action.SIGNING_PIN_SET: _OF_USER,
    Action.TOKEN_CREATED: _OF_USER,
    Action.TOKEN_REVOKED: _OF_USER,
    Action.DEPARTMENT_CREATED: _OF_SECURITY,
    Action.DEPARTMENT_CHANGED: _OF_SECURITY,
    Action.EMERGENCY_BEGUN: AuditEvent(EventID.ALERT, "E", kind=EventType.EMERGENCY_STARTED),
    Action.EMERGENCY_ENDED: AuditEvent(EventID.ALERT, "E", kind=EventType.EMERGENCY_STOPPED),
    Action.EMERGENCY_FAILED: AuditEvent(
        EventID.ALERT, "E", MINOR_FAILURE, kind=EventType.EMERGENCY_STARTED
    ),
    Action.EMERGENCY_REVIEWED: AuditEvent(EventID.ALERT, "E"),
    Action.PATIENT_CREATED: AuditEvent(EventID.PATIENT, "C"),
    Action.PATIENT_CHANGED: _PATIENT_CHANGED,
    Action.PATIENT_VIEWED: AuditEvent(EventID.PATIENT, "R"),
    Action.IDENTITY_CORRECTED: _PATIENT_CHANGED,
    Action.CORRECTION_SEEN: AuditEvent(EventID.PATIENT, "R"),
    Action.STUDY_CREATED: AuditEvent(EventID.PROCEDURE, "C"),
    Action.STUDY_CHANGED: _STUDY_CHANGED,
    Action.STUDY_MOVED: _STUDY_CHANGED,
    Action.STUDY_VIEWED: AuditEvent(EventID.PROCEDURE, "R"),
    Action.STUDY_RESERVED: _STUDY_CHANGED,
    Action.RESERVATION_ENDED: _STUDY_CHANGED,
    Action.HOLD_PLACED: _STUDY_CHANGED,
    Action.HOLD_LIFTED: _STUDY_CHANGED,
    Action.READ_SAVED: _STUDY_CHANGED,
    Action.READ_SIGNED: _STUDY_CHANGED,
    Action.READ_AMENDED: _STUDY_CHANGED,
    Action.SIGNATURE_TAKEN_BACK: _STUDY_CHANGED,
    Action.ADDENDUM_SIGNED: _STUDY_CHANGED,
    Action.REPORT_OPENED: AuditEvent(EventID.PROCEDURE, "R"),
    Action.RADIOGRAPH_STORED: _IN,
    Action.IMAGE_FETCHED: _LOOKED,
    Action.IMAGE_VIEWED: _LOOKED,
    Action.IMAGE_DOWNLOADED: _OUT,
    Action.BATCH_CREATED: _IN,
    Action.FILE_REFUSED: _NOT_IN,
    Action.FILE_HELD: _NOT_IN,
    Action.FILE_RESOLVED: _IN,
    Action.RECEIVED_RETRIED: _IN,
    Action.RECEIVED_ADOPTED: _IN,
    Action.RECEIVED_DISCARDED: _NOT_IN,
    Action.FILES_REMOVED: _ACTIVITY,
    Action.FILE_PUT_BACK: _ACTIVITY,
    Action.TRASH_EMPTIED: _ACTIVITY,
    Action.REMOVAL_PAUSED: _ACTIVITY,
    Action.REMOVAL_RESUMED: _ACTIVITY,
    Action.FILE_DAMAGED: AuditEvent(EventID.ALERT, "E", SERIOUS_FAILURE),
    Action.FILE_REPAIRED: _ACTIVITY,
    Action.BACKUP_RESTORED: AuditEvent(EventID.ALERT, "E"),
    Action.ERASURE_REQUESTED: _PATIENT_CHANGED,
    Action.ERASURE_CONFIRMED: _PATIENT_CHANGED,
    Action.ERASURE_DECLINED: _PATIENT_CHANGED,
    Action.RECORDS_ERASED: AuditEvent(EventID.PATIENT, "D"),
    Action.FILES_ERASED: AuditEvent(EventID.DELETED, "D"),
    Action.CERTIFICATE_OPENED: AuditEvent(EventID.PATIENT, "R"),
    Action.BATCH_EXPORTED: _OUT,
    Action.RESEARCH_REQUESTED: _ACTIVITY,
    Action.RESEARCH_FAILED: _ACTIVITY._replace(outcome=MINOR_FAILURE),
    Action.RESEARCH_DOWNLOADED: _OUT,
    Action.RESEARCH_REMOVED: _ACTIVITY,
    Action.STUDY_EXPORTED: _OUT,
    Action.NOTIFICATION_MAILED: _ACTIVITY,
    Action.NOTIFICATIONS_CHOSEN: _ACTIVITY,
    Action.JOB_QUEUED: _ACTIVITY,
    Action.JOB_FINISHED: _LOOKED,
    Action.JOB_RETURNED: _ACTIVITY,
    Action.JOB_QUARANTINED: _ACTIVITY._replace(outcome=MINOR_FAILURE),
    Action.JOB_RELEASED: _ACTIVITY,
    Action.JOB_CANCELLED: _ACTIVITY,
    Action.NODE_CREATED: _OF_NETWORK,
    Action.NODE_CHANGED: _OF_NETWORK,
    Action.NODE_TESTED: _ACTIVITY,
    Action.STORAGE_COMMITTED: _ACTIVITY,
    Action.COMMITMENT_RETRIED: _ACTIVITY,
    Action.PRIORS_ASKED: _QUERIED,
    Action.PRIOR_FETCHED: _IN,
    Action.PRIORS_RETRIED: _ACTIVITY,
    Action.ORDER_SOURCE_CREATED: _OF_NETWORK,
    Action.ORDER_SOURCE_CHANGED: _OF_NETWORK,
    Action.ORDER_RECEIVED: AuditEvent(EventID.PROCEDURE, "C"),
    Action.ORDER_CHANGED: _STUDY_CHANGED,
    Action.ORDER_CANCELLED: _STUDY_CHANGED,
    Action.ORDER_LINKED: _STUDY_CHANGED,
    Action.ORDER_UNLINKED: _STUDY_CHANGED,
    Action.DESTINATION_CREATED: _OF_NETWORK,
    Action.DESTINATION_CHANGED: _OF_NETWORK,
    Action.DESTINATION_REMOVED: _OF_NETWORK,
    Action.DESTINATION_TESTED: _ACTIVITY,
    Action.DELIVERY_SENT: _OUT,
    Action.DELIVERY_CONFIRMED: _ACTIVITY,
    Action.DELIVERY_REJECTED: _OUT._replace(outcome=MINOR_FAILURE),
    Action.DELIVERY_RETRIED: _ACTIVITY,
    Action.DELIVERY_CANCELLED: _ACTIVITY,
    Action.MODEL_REGISTERED: _OF_SOFTWARE,
    Action.MODEL_ACTIVATED: _OF_SOFTWARE,
    Action.SHADOW_STARTED: _OF_SOFTWARE,
    Action.SHADOW_ENDED: _OF_SOFTWARE,
    Action.WORKER_DRAINED: _ACTIVITY,
    Action.WORKER_STOPPED: _ACTIVITY,
    Action.WORKER_RESUMED: _ACTIVITY,
    Action.QUEUE_PAUSED: _ACTIVITY,
    Action.QUEUE_RESUMED: _ACTIVITY,
    Action.TEMPLATE_SAVED: _ACTIVITY,
    Action.TEMPLATE_REMOVED: _ACTIVITY,
    Action.AUDIT_VIEWED: _LOG_READ,
    Action.AUDIT_EXPORTED: _LOG_READ,
    Action.ACCESS_VIEWED: _LOG_READ,
    Action.ACCESS_EXPORTED: _LOG_READ,
    Action.ACCESS_SEALED: _ACTIVITY,
    Action.ACCESS_REMOVED: _ACTIVITY,
    Action.AUDIT_VERIFIED: _LOG_READ,
    Action.AUDIT_KEY_CHANGED: _OF_SECURITY,
    Action.AUDIT_ENTRY_SET_ASIDE: _OF_SECURITY,
    Action.AUDIT_ENTRY_SENT_AGAIN: _OF_SECURITY,
    Action.AUDIT_ENTRY_GIVEN_UP: _OF_SECURITY,
    Action.ANCHORS_BEGUN: AuditEvent(EventID.ALERT, "E"),
}
#: For actions of a later release, which this one does not know after a rollback.
UNKNOWN = _ACTIVITY


def event_of(action: str) -> AuditEvent:
    """The audit event of an action."""
    return EVENTS[Action(action)] if action in Action.values else UNKNOWN
