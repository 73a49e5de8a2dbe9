"""Who a patient is, as files and case records name them, and where two of these disagree."""

import hashlib
from dataclasses import dataclass
from datetime import date

from ml.images import ImageFacts
from webportal.intake.checks.study_dates import real_birth_date
from webportal.reasons import FIELDS
from webportal.records.choices import Sex
from webportal.records.identifiers import UNREADABLE, comparable
from webportal.records.models import OWN_ISSUER, Patient

TEMPORARY_PREFIX = "TMP-"
#: What tells two people under one Patient ID apart.
COMPARED = ("name", "birth_date", "sex")


@dataclass(frozen=True)
class Identity:
    """A patient as a file or a case record names them."""

    patient_id: str
    issuer: str = ""
    name: str = ""
    birth_date: date | None = None
    sex: str = ""
    is_temporary: bool = False


def temporary_patient_id(study_instance_uid: str) -> str:
    """Return the Patient ID for a study of which no patient is known."""
    digest = hashlib.sha256(study_instance_uid.encode()).hexdigest()
    return TEMPORARY_PREFIX + digest[:16].upper()


def temporary_identity(facts: ImageFacts, study_instance_uid: str) -> Identity:
    """Return a temporary patient with whatever else the header says of the person."""
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
    """Return whom a file's header names; a temporary patient of ours where it came from here."""
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
    """Return what the two disagree on, in words; see `differing`."""
    return [FIELDS[name] for name in differing(one, other)]


def differing(one: Identity | Patient, other: Identity | Patient) -> list[str]:
    """Return which of COMPARED the two disagree on; silence of one of them is no disagreement."""
    compared = {
        "name": _comparable_names(one.name, other.name),
        "birth_date": (one.birth_date, other.birth_date),
        "sex": (one.sex, other.sex),
    }
    return [name for name, (left, right) in compared.items() if left and right and left != right]


def _comparable_names(one: str, other: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both names in the first way of writing that both have; empty where they share none.

    A person name (PS3.5 6.2.1) is written in up to three: alphabetic, ideographic, phonetic. One
    with letters that could not be read is like no other: the lost ones may differ.
    """
    if UNREADABLE in one + other:
        return (("one", one), ("other", other)) if one and other else ((), ())
    for left, right in zip(one.split("="), other.split("="), strict=False):
        if _components(left) and _components(right):
            return _components(left), _components(right)
    return (), ()


def _components(group: str) -> tuple[str, ...]:
    """The filled components of a way of writing, as names are compared."""
    parts = map(comparable, group.split("^"))
    return tuple(part for part in parts if part)


def existing_patient(identity: Identity) -> Patient | None:
    """Return the patient recorded under this Patient ID and issuer."""
    return Patient.objects.filter(patient_id=identity.patient_id, issuer=identity.issuer).first()
