"""A patient's identity: as shown, as recorded with a signature, and compared."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext

from webportal.labels import label_of
from webportal.records.bikram_sambat import written_day
from webportal.records.choices import Sex
from webportal.records.models import Patient

#: The fields of Patient that identify a person, with their DICOM attributes.
KEYWORDS = {
    "patient_id": "PatientID",
    "issuer": "IssuerOfPatientID",
    "name": "PatientName",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
}
# `patient` is the record's primary key: two records with equal data are still two persons.
IDENTITY_FIELDS = ("patient", *KEYWORDS)


def shown_identity(patient: Patient) -> dict[str, str]:
    """Return the identity as plain JSON, keyed by IDENTITY_FIELDS; dates are ISO 8601."""
    known = {name: getattr(patient, name) or "" for name in KEYWORDS}
    return {"patient": str(patient.pk)} | {name: str(value) for name, value in known.items()}


def attributes_of(patient: Patient) -> dict[str, str]:
    """Return the patient's DICOM attributes by keyword, as a file has them; '' if not known."""
    identity = shown_identity(patient)
    identity["birth_date"] = identity["birth_date"].replace("-", "")
    return {keyword: identity[name] for name, keyword in KEYWORDS.items()}


def version_of(identity: Mapping[str, str]) -> str:
    """Return the fingerprint of an identity as `shown_identity` gives it, 64 hex digits.

    It changes with each of the values and reveals none of them.
    """
    values = [identity.get(name, "") for name in IDENTITY_FIELDS]
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


def identity_version(patient: Patient) -> str:
    """Return the fingerprint of a patient's current record."""
    return version_of(shown_identity(patient))


def identity_made(patient: Patient) -> dict[str, str]:
    """Return what the audit trail records of a new patient: only the fingerprint."""
    return {"identity_sha256": identity_version(patient)}


def identity_change(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Any]:
    """Return the old and new values that differ, for the audit trail.

    Includes the fingerprint of the whole identity, which reveals later changes made other than
    through the portal.
    """
    changed = [name for name in IDENTITY_FIELDS if before[name] != after[name]]
    return {
        "before": {name: before[name] for name in changed},
        "after": {name: after[name] for name in changed},
        "identity_sha256": version_of(after),
    }


def format_identity(identity: Mapping[str, str]) -> str:
    """Return an identity from `shown_identity` as one line of text."""
    patient = Patient(name=identity["name"], patient_id=identity["patient_id"])
    born = identity["birth_date"]
    number, issuer = identity["patient_id"], identity["issuer"]
    parts = [
        patient.display_name if identity["name"] else "",
        format_birth_date(date.fromisoformat(born)) if born else "",
        label_of(Sex, identity["sex"]) if identity["sex"] else "",
        gettext("ID %(id)s") % {"id": f"{number} ({issuer})" if issuer else number}
        if number
        else "",
    ]
    return ", ".join(filter(None, parts))


def format_birth_date(born: date) -> str:
    """Return a date of birth as part of a line about the patient."""
    return gettext("born %(date)s") % {"date": written_day(born)}
