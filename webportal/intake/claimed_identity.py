"""The patient's identity as given by files and case records, and discrepancies between two."""

import hashlib
from dataclasses import dataclass, fields
from datetime import date

from ml.images import ImageFacts
from webportal.intake.checks.study_dates import real_birth_date
from webportal.reasons import FIELDS
from webportal.records.choices import Sex
from webportal.records.identifiers import UNREADABLE, comparable
from webportal.records.models import OWN_ISSUER, Patient

TEMPORARY_PREFIX = "TMP-"
#: The values that distinguish two people under one Patient ID.
COMPARED = ("name", "birth_date", "sex")


@dataclass(frozen=True)
class Identity:
    """A patient as identified by a file or a case record; the names are those of Patient."""

    patient_id: str
    issuer: str = ""
    name: str = ""
    birth_date: date | None = None
    sex: str = ""
    is_temporary: bool = False


def recorded_identity(patient: Patient) -> Identity:
    """Return the identity of a patient's record."""
    return Identity(**{each.name: getattr(patient, each.name) for each in fields(Identity)})


def temporary_patient_id(study_instance_uid: str) -> str:
    """Return the Patient ID for a study of an unknown patient."""
    digest = hashlib.sha256(study_instance_uid.encode()).hexdigest()
    return TEMPORARY_PREFIX + digest[:16].upper()


def temporary_identity(facts: ImageFacts, study_instance_uid: str) -> Identity:
    """Return a temporary patient with the other patient data from the header."""
    known = identity_in_header(facts)
    return Identity(
        temporary_patient_id(study_instance_uid),
        OWN_ISSUER,
        known.name,
        known.birth_date,
        known.sex,
        is_temporary=True,
    )


def identity_in_header(facts: ImageFacts) -> Identity:
    """Return the identity in a file's header; a temporary one if the file came from here."""
    issuer = facts.issuer_of_patient_id
    return Identity(
        facts.patient_id,
        issuer,
        facts.patient_name,
        real_birth_date(facts),
        facts.patient_sex if facts.patient_sex in Sex.values else "",
        is_temporary=issuer == OWN_ISSUER and facts.patient_id.startswith(TEMPORARY_PREFIX),
    )


def differences(one: Identity | Patient, other: Identity | Patient) -> list[str]:
    """Return the differing values as text; see `differing`."""
    return [FIELDS[name] for name in differing(one, other)]


def differing(one: Identity | Patient, other: Identity | Patient) -> list[str]:
    """Return which of COMPARED differ; a value missing on one side is not a difference."""
    compared = {
        "name": _comparable_names(one.name, other.name),
        "birth_date": (one.birth_date, other.birth_date),
        "sex": (one.sex, other.sex),
    }
    return [name for name, (left, right) in compared.items() if left and right and left != right]


def _comparable_names(one: str, other: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both names in the first representation that both have; empty if they share none.

    A person name (PS3.5 6.2.1) has up to three: alphabetic, ideographic, phonetic. A name with
    undecodable characters equals no other: the lost ones may differ.
    """
    if UNREADABLE in one + other:
        return (("one", one), ("other", other)) if one and other else ((), ())
    for left, right in zip(one.split("="), other.split("="), strict=False):
        if _components(left) and _components(right):
            return _components(left), _components(right)
    return (), ()


def _components(group: str) -> tuple[str, ...]:
    """The non-empty components of a representation, normalised for comparison."""
    parts = map(comparable, group.split("^"))
    return tuple(part for part in parts if part)


def existing_patient(identity: Identity) -> Patient | None:
    """Return the patient recorded under this Patient ID and issuer."""
    return Patient.objects.filter(patient_id=identity.patient_id, issuer=identity.issuer).first()
