"""Elements that the resources have in common: identifiers, references, codes, times and texts."""

import html
import re
import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.utils import timezone
from pydicom.sr.coding import Code

from webportal.accounts.models import User
from webportal.delivery.documents.sources import day_and_time
from webportal.records.models import Patient, Study

Json = dict[str, Any]

#: The code systems by the designators of DICOM.
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "RADLEX": "http://www.radlex.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
}
_IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_URI = "urn:ietf:rfc:3986"
_NOT_IN_TEXTS = re.compile(r"[^\S\t\n\r ]|[\x00-\x08\x0b\x0c\x0e-\x1f]")


def id_of(*parts: object) -> str:
    """A logical id, always the same for the same parts."""
    name = "/".join(str(part) for part in parts)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"chestline:fhir/{name}"))


def reference(resource: Json) -> Json:
    """A reference to a resource of the same transaction."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


# ── Identifiers, and who or what has no resource here ───────────────────────────────────────────
def own_identifier(identity: str) -> Json:
    """The business identifier that goes with a logical id."""
    return {"system": _URI, "value": f"urn:uuid:{identity}"}


def uid_identifier(uid: str) -> Json:
    """A DICOM UID as an identifier."""
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}


def uid_coding(uid: str) -> Json:
    """A SOP class as a code."""
    return {"system": _URI, "code": f"urn:oid:{uid}"}


def accession_identifier(study: Study) -> list[Json]:
    """The accession number, if there is one."""
    if not study.accession_number.strip():
        return []
    return [{"type": _identifier_type("ACSN"), "value": study.accession_number}]


def patient(known: Patient) -> Json:
    """The patient, by Patient ID and issuer alone: the destination knows its own resource."""
    identifier: Json = {"type": _identifier_type("PI"), "value": known.patient_id}
    if system := settings.FHIR_PATIENT_SYSTEMS.get(known.issuer):
        identifier["system"] = system
    if known.issuer.strip():
        identifier["assigner"] = {"display": known.issuer}
    return {"type": "Patient", "identifier": identifier, "display": text(known.display_name)}


def reader(person: User) -> Json:
    """A reader, by user name."""
    identifier = {"type": {"text": "User name in Chestline"}, "value": person.username}
    return {"type": "Practitioner", "identifier": identifier, "display": text(str(person))}


def organization() -> Json:
    """The hospital."""
    return {"type": "Organization", "display": settings.ORGANIZATION}


def order(study: Study) -> list[Json]:
    """The order that a study answers, by accession number."""
    return [
        {"type": "ServiceRequest", "identifier": identifier}
        for identifier in accession_identifier(study)
    ]


def _identifier_type(code: str) -> Json:
    return {"coding": [{"system": _IDENTIFIER_TYPES, "code": code}]}


# ── Codes ───────────────────────────────────────────────────────────────────────────────────────
def coding(code: Code) -> Json:
    """A code with the system of its scheme."""
    found = {"system": SYSTEMS[code.scheme_designator], "code": code.value}
    return found | {"display": code.meaning} if code.meaning else found


def concept(*codes: Code, words: str = "") -> Json:
    """A concept with its codes in one or more systems."""
    found: Json = {"coding": [coding(code) for code in codes]}
    return found | {"text": words} if words else found


def radlex(code: str) -> list[Code]:
    """A RadLex code, if there is one."""
    return [Code(code, "RADLEX", "")] if code else []


def percentage(value: float) -> Json:
    """A quantity in per cent."""
    return {"value": value, "unit": "%", "system": SYSTEMS["UCUM"], "code": "%"}


# ── Times and texts ─────────────────────────────────────────────────────────────────────────────
def performed(study: Study) -> str | None:
    """When a study was performed; the day alone if no more is known."""
    if study.performed_at is None:
        return None
    at = timezone.localtime(study.performed_at)
    _day, time = day_and_time(study)
    return at.isoformat(timespec="seconds") if time else at.date().isoformat()


def text(value: str) -> str:
    """A text without control characters and unusual spaces, which the type `string` excludes."""
    return _NOT_IN_TEXTS.sub(" ", value).strip()


def narrative(lines: Iterable[str]) -> Json:
    """The lines as a resource's narrative."""
    escaped = (html.escape(text(line)).replace("\n", "<br/>") for line in lines)
    paragraphs = "".join(f"<p>{line}</p>" for line in escaped)
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>',
    }


def filled(resource: Json) -> Json:
    """A resource without its empty elements, which FHIR does not allow."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}
