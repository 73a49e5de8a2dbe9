"""An audit entry as a DICOM Audit Message (PS3.15, A.5.1)."""

import json
from base64 import b64encode
from datetime import UTC
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from django.conf import settings

from webportal.audit.models import AuditEntry
from webportal.auditexport.content import Records, as_json, fit, is_by_person, label_of
from webportal.auditexport.events import event_of
from webportal.records.models import Patient, Study

# The size that every receiver has to accept (PS3.15, A.6), less the syslog header.
MOST_BYTES = 32768 - 1024
_SCHEME = "Chestline"


def audit_message(entry: AuditEntry, records: Records) -> bytes:
    """The message, at most MOST_BYTES long; without the details if they exceed that."""
    message = _message(entry, records, with_details=True)
    if len(message) <= MOST_BYTES:
        return message
    return _message(entry, records, with_details=False)


def _message(entry: AuditEntry, records: Records, *, with_details: bool) -> bytes:
    root = Element("AuditMessage")
    _add_event(root, entry)
    _add_participants(root, entry)
    SubElement(
        root,
        "AuditSourceIdentification",
        AuditEnterpriseSiteID=fit(settings.ORGANIZATION),
        AuditSourceID=settings.DICOM_AE_TITLE,
    )
    _add_patient(root, records.patient_of(entry))
    _add_study(root, entry, records.study_of(entry))
    if entry.object_id and entry.object_type != "study":
        _add_object(root, entry.object_id, (entry.object_type, _SCHEME, entry.object_type), "2")
    trail = _add_object(
        root,
        str(entry.sequence),
        ("audit_entry", _SCHEME, "Number in the audit trail"),
        "2",
        role="13",
        name="Security Audit Log",
    )
    _add_detail(trail, "entry", json.dumps(as_json(entry, with_details=with_details)))
    return ElementTree.tostring(root, encoding="unicode").encode()


def _add_event(root: Element, entry: AuditEntry) -> None:
    described = event_of(entry.action)
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=described.action,
        EventDateTime=entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        EventOutcomeIndicator=str(described.outcome),
    )
    _add_code(event, "EventID", described.event_id.value, "DCM", described.event_id.meaning)
    if described.kind is not None:
        _add_code(event, "EventTypeCode", described.kind.value, "DCM", described.kind.meaning)
    _add_code(event, "EventTypeCode", entry.action, _SCHEME, label_of(entry.action))


def _add_participants(root: Element, entry: AuditEntry) -> None:
    """The person and the portal; only the portal if it acted by itself."""
    is_of_person = is_by_person(entry)
    if is_of_person:
        person = SubElement(
            root, "ActiveParticipant", UserID=fit(entry.actor), UserIsRequestor="true"
        )
        if entry.actor_id is not None:
            person.set("AlternativeUserID", str(entry.actor_id))
        if address := (entry.origin or {}).get("address"):
            person.set("NetworkAccessPointID", fit(address))
            person.set("NetworkAccessPointTypeCode", "2")
    portal = SubElement(
        root,
        "ActiveParticipant",
        UserID=settings.DICOM_AE_TITLE,
        UserIsRequestor="false" if is_of_person else "true",
    )
    if not is_of_person:
        # The name of a system actor, such as the identity provider or a command.
        portal.set("UserName", fit(entry.actor))
    _add_code(portal, "RoleIDCode", "110150", "DCM", "Application")


def _add_patient(root: Element, patient: Patient | None) -> None:
    """Identify the patient by Patient ID and issuer: neither trail nor export contains names."""
    if patient is None:
        return
    code = ("2", "RFC-3881", "Patient Number")
    added = _add_object(root, patient.patient_id, code, "1", role="1")
    if patient.issuer:
        _add_detail(added, "Issuer of Patient ID", patient.issuer)


def _add_study(root: Element, entry: AuditEntry, study: Study | None) -> None:
    """Identify a study by its UID, or by the id in the trail if the study no longer exists."""
    if study is not None:
        code = ("110180", "DCM", "Study Instance UID")
        _add_object(root, study.study_instance_uid, code, "2", role="3")
    elif entry.study_id is not None:
        _add_object(root, str(entry.study_id), ("study", _SCHEME, "study"), "2", role="3")


def _add_object(
    root: Element,
    key: str,
    code: tuple[str, str, str],
    kind: str,
    *,
    role: str = "",
    name: str = "",
) -> Element:
    added = SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=fit(key),
        ParticipantObjectTypeCode=kind,
    )
    if role:
        added.set("ParticipantObjectTypeCodeRole", role)
    _add_code(added, "ParticipantObjectIDTypeCode", *code)
    # The schema requires a name.
    SubElement(added, "ParticipantObjectName").text = fit(name or key)
    return added


def _add_code(parent: Element, element: str, code: str, scheme: str, meaning: str) -> None:
    attributes = {"csd-code": code, "codeSystemName": scheme, "originalText": fit(meaning)}
    SubElement(parent, element, attributes)


def _add_detail(parent: Element, kind: str, text: str) -> None:
    value = b64encode(text.encode()).decode()
    SubElement(parent, "ParticipantObjectDetail", type=kind, value=value)
