"""An audit entry as an AuditEvent of FHIR R4 (http://hl7.org/fhir/R4/auditevent.html).

Its content and codes are those of the DICOM audit message in `message.py`.
"""

import json
import uuid
from base64 import b64encode
from datetime import UTC
from typing import Any

from django.conf import settings

from webportal.audit.models import AuditEntry
from webportal.auditexport.content import Records, as_json, is_by_person, label_of, text_of
from webportal.auditexport.events import event_of
from webportal.records.models import Patient, Study

Json = dict[str, Any]

# Servers accept at least this much in one request; larger details are left out.
MOST_BYTES = 256 * 1024
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
#: The code system of the trail's actions and object types.
ACTIONS = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'chestline:audit-action')}"
OBJECTS = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'chestline:audit-object')}"
#: The identifier system of entry numbers.
ENTRIES = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'chestline:audit-entry')}"


def audit_event(entry: AuditEntry, records: Records, *, with_details: bool = True) -> bytes:
    """The resource as JSON, at most MOST_BYTES long; without the details if they exceed that."""
    event = json.dumps(_event(entry, records, with_details=with_details)).encode()
    if len(event) <= MOST_BYTES or not with_details:
        return event
    return audit_event(entry, records, with_details=False)


def _event(entry: AuditEntry, records: Records, *, with_details: bool) -> Json:
    described = event_of(entry.action)
    subtypes = [_coding(ACTIONS, entry.action, label_of(entry.action))]
    if described.kind is not None:
        subtypes.insert(0, _coding(_DCM, described.kind.value, described.kind.meaning))
    study, patient = records.study_of(entry), records.patient_of(entry)
    return {
        "resourceType": "AuditEvent",
        "type": _coding(_DCM, described.event_id.value, described.event_id.meaning),
        "subtype": subtypes,
        "action": described.action,
        "recorded": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "outcome": str(described.outcome),
        "agent": _agents(entry),
        "source": {
            "site": text_of(settings.ORGANIZATION),
            "observer": {"type": "Device", "display": settings.DICOM_AE_TITLE},
            "type": [_coding(f"{_TERMINOLOGY}/security-source-type", "4", "Application Server")],
        },
        "entity": [
            *([_patient(patient)] if patient is not None else []),
            *_study(entry, study),
            *_object(entry),
            _entry(entry, with_details=with_details),
        ],
    }


def _agents(entry: AuditEntry) -> list[Json]:
    """The person and the portal; only the portal if it acted by itself."""
    agents: list[Json] = []
    is_of_person = is_by_person(entry)
    if is_of_person:
        person: Json = {"who": {"display": text_of(entry.actor)}, "requestor": True}
        if entry.actor_id is not None:
            person["altId"] = str(entry.actor_id)
        if address := (entry.origin or {}).get("address"):
            person["network"] = {"address": text_of(address), "type": "2"}
        agents.append(person)
    portal: Json = {
        "type": {"coding": [_coding(_DCM, "110150", "Application")]},
        "who": {"type": "Device", "display": settings.DICOM_AE_TITLE},
        "requestor": not is_of_person,
    }
    if not is_of_person:
        # The name of a system actor, such as the identity provider or a command.
        portal["name"] = text_of(entry.actor)
    return [*agents, portal]


def _patient(patient: Patient) -> Json:
    """Identify the patient by Patient ID and issuer: neither trail nor export contains names."""
    identifier: Json = {"value": text_of(patient.patient_id)}
    if system := settings.FHIR_PATIENT_SYSTEMS.get(patient.issuer):
        identifier["system"] = system
    if patient.issuer.strip():
        identifier["assigner"] = {"display": text_of(patient.issuer)}
    what = {"type": "Patient", "identifier": identifier}
    return _entity(what, "1", "Person", "1", "Patient")


def _study(entry: AuditEntry, study: Study | None) -> list[Json]:
    """Identify a study by its UID, or by the id in the trail if the study no longer exists."""
    if study is not None:
        uid = study.study_instance_uid
        identifier = {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}
    elif entry.study_id is not None:
        identifier = {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{entry.study_id}"}
    else:
        return []
    what = {"type": "ImagingStudy", "identifier": identifier}
    return [_entity(what, "2", "System Object", "3", "Report")]


def _object(entry: AuditEntry) -> list[Json]:
    if not entry.object_id or entry.object_type == "study":
        return []
    what = {"identifier": {"system": OBJECTS, "value": text_of(entry.object_id)}}
    name = {"name": text_of(entry.object_type)} if entry.object_type else {}
    return [{**_entity(what, "2", "System Object", "", ""), **name}]


def _entry(entry: AuditEntry, *, with_details: bool) -> Json:
    """The entry itself, with everything that its MAC covers."""
    text = json.dumps(as_json(entry, with_details=with_details))
    what = {"identifier": {"system": ENTRIES, "value": str(entry.sequence)}}
    return {
        **_entity(what, "2", "System Object", "13", "Security Resource"),
        "name": "Security Audit Log",
        "detail": [{"type": "entry", "valueBase64Binary": b64encode(text.encode()).decode()}],
    }


def _entity(what: Json, kind: str, kind_name: str, role: str, role_name: str) -> Json:
    entity: Json = {
        "what": what,
        "type": _coding(f"{_TERMINOLOGY}/audit-entity-type", kind, kind_name),
    }
    if role:
        entity["role"] = _coding(f"{_TERMINOLOGY}/object-role", role, role_name)
    return entity


def _coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}
