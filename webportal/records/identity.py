"""Who a patient is said to be: what is shown of it, recorded with a signature, and compared."""

import hashlib
import json
from collections.abc import Mapping

from webportal.records.models import Patient

# `patient` is the key of the record: two records that say the same are still two persons.
IDENTITY_FIELDS = ("patient", "patient_id", "issuer", "name", "birth_date", "sex")


def shown_identity(patient: Patient) -> dict[str, str]:
    """Return the identity as plain JSON, by the names in IDENTITY_FIELDS; dates are ISO 8601."""
    return {
        "patient": str(patient.pk),
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "name": patient.name,
        "birth_date": patient.birth_date.isoformat() if patient.birth_date else "",
        "sex": patient.sex,
    }


def version_of(identity: Mapping[str, str]) -> str:
    """Return the fingerprint of an identity as `shown_identity` gives it, 64 hex digits.

    It changes with each of the values and tells none of them.
    """
    values = [identity.get(name, "") for name in IDENTITY_FIELDS]
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


def identity_version(patient: Patient) -> str:
    """Return the fingerprint of what a patient's record says now."""
    return version_of(shown_identity(patient))
