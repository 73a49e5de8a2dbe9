"""Comparing a study's patient with the one it would be moved to."""

import logging
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from ml import images
from ml.errors import ImageError
from webportal.accounts.models import User
from webportal.intake.claimed_identity import Identity, differences, identity_in_header
from webportal.labels import label_of
from webportal.records.ages import age_in_months, examined_on
from webportal.records.bikram_sambat import written_day
from webportal.records.choices import Sex
from webportal.records.files import StoredFileError, read_original
from webportal.records.identity import format_identity
from webportal.records.models import Patient, Study
from webportal.review.templatetags.review import age

logger = logging.getLogger(__name__)

#: Age differences at a study beyond this are pointed out.
FAR_APART_MONTHS = 24


@dataclass(frozen=True)
class ComparedValue:
    """One compared value; `differs` if the two patients disagree on it."""

    label: str
    values: list[str]
    differs: bool


@dataclass(frozen=True)
class PatientComparison:
    """Two patients and the identities in the study's files: table rows and warnings."""

    rows: list[ComparedValue]
    files: list[Identity]
    contradictions: list[str]


def compare(study: Study, other: Patient, person: User) -> PatientComparison:
    """Compare the patient of a study with another, who need not be recorded yet.

    Studies are counted as far as the person sees them.
    """
    files = identities_in_files(study)
    return PatientComparison(
        _rows(study, other, files, person), files, _contradictions(study, other, files)
    )


def identities_in_files(study: Study) -> list[Identity]:
    """Return the distinct identities in the study's DICOM files.

    The header of a JPEG or PNG was written by the portal and is not independent evidence.
    """
    found = []
    for radiograph in study.radiographs.filter(media_type="application/dicom"):
        try:
            facts = images.describe(read_original(radiograph))
        except (StoredFileError, ImageError):
            logger.warning("The header of radiograph %s cannot be read", radiograph.pk)
            continue
        identity = identity_in_header(facts)
        # A temporary ID in a re-imported file identifies nobody.
        if identity.is_temporary:
            identity = replace(identity, patient_id="", issuer="", is_temporary=False)
        if identity not in found and any(vars(identity).values()):
            found.append(identity)
    return found


def format_identity_in_file(named: Identity) -> str:
    """The identity in a file, on one line."""
    born = named.birth_date.isoformat() if named.birth_date else ""
    return format_identity(vars(named) | {"birth_date": born})


def _rows(study: Study, other: Patient, files: list[Identity], person: User) -> list[ComparedValue]:
    former = study.patient
    people: list[Patient | Identity] = [former, other, *files]
    unlike = differences(former, other)
    ages = [age(each.birth_date, study.performed_at) for each in people]
    counts = [_number_of_studies(each, person) for each in (former, other)]
    return [
        ComparedValue(_("Name"), [_name(each) for each in people], "name" in unlike),
        ComparedValue(
            _("Date of birth"),
            [written_day(each.birth_date) if each.birth_date else "" for each in people],
            "date of birth" in unlike,
        ),
        ComparedValue(
            _("Age at the study"), ages, bool(ages[0] and ages[1]) and ages[0] != ages[1]
        ),
        ComparedValue(_("Sex"), [_sex(each) for each in people], "sex" in unlike),
        ComparedValue(
            _("Patient ID"),
            [each.patient_id for each in people],
            not former.is_temporary and former.patient_id != other.patient_id,
        ),
        ComparedValue(_("Issuer"), [each.issuer for each in people], former.issuer != other.issuer),
        ComparedValue(_("Studies here"), [*counts, *("" for _file in files)], differs=False),
    ]


def _contradictions(study: Study, other: Patient, files: list[Identity]) -> list[str]:
    former, on = study.patient, examined_on(study)
    found = []
    if former.sex and other.sex and former.sex != other.sex:
        found.append(
            _("The sex differs: {former} on record now, {other} for the other patient.").format(
                former=_sex(former), other=_sex(other)
            )
        )
    if on and other.birth_date and other.birth_date > on:
        found.append(_("The other patient was born after the study."))
    elif on and other.birth_date and age_in_months(other.birth_date, on) is None:
        found.append(
            _("The other patient would have been impossibly old at the time of the study.")
        )
    months = [age_in_months(each.birth_date, on) for each in (former, other)]
    known = [each for each in months if each is not None]
    if len(known) == 2 and abs(known[0] - known[1]) > FAR_APART_MONTHS:
        found.append(
            _("The ages at the study are far apart: {former} and {other}.").format(
                former=age(former.birth_date, study.performed_at),
                other=age(other.birth_date, study.performed_at),
            )
        )
    return found + [words for each in files for words in _contradicting_file(each, other)]


def _contradicting_file(named: Identity, other: Patient) -> list[str]:
    """Values in a file that contradict the other patient's record."""
    found = []
    if named.patient_id and named.patient_id != other.patient_id:
        found.append(
            _("The file itself contains a different Patient ID: {id}.").format(id=named.patient_id)
        )
    unlike = differences(other, named)
    if unlike:
        found.append(
            _("The file itself contains a different {differences}.").format(
                differences=f" {_('and')} ".join(_(name) for name in unlike)
            )
        )
    return found


def _number_of_studies(patient: Patient, person: User) -> str:
    if not Patient.objects.filter(pk=patient.pk).exists():
        return ""
    return str(patient.studies.visible_to(person).count())


def _name(person: Patient | Identity) -> str:
    return Patient(name=person.name).display_name


def _sex(person: Patient | Identity) -> str:
    return label_of(Sex, person.sex) if person.sex else ""
