"""What a file says of its patient and study that is not certain: a person is asked then."""

from django.utils import timezone
from django.utils.translation import gettext_noop

from ml.images import ImageFacts
from webportal.intake.checks.study_dates import StudyMoment, born_by_bikram_sambat, real_birth_date
from webportal.intake.errors import PatientDoubtError
from webportal.intake.reasons import (
    BIKRAM_SAMBAT,
    BORN_BY_BIKRAM_SAMBAT,
    LETTERS_IN_DOUBT,
    NO_CHARACTER_SET,
)
from webportal.records.identifiers import is_placeholder_identifier

_WORDS = {
    "PatientID": gettext_noop("Patient ID"),
    "IssuerOfPatientID": gettext_noop("issuer of the Patient ID"),
    "PatientName": gettext_noop("patient's name"),
    "AccessionNumber": gettext_noop("accession number"),
}
#: The codes of doubts that a person settles by correcting what the file says.
CODES = (
    "letters_in_doubt",
    "no_identifier",
    "bikram_sambat",
    "study_date_in_future",
    "dates_contradict",
)


def check_certain(facts: ImageFacts, moment: StudyMoment) -> None:
    """Raise PatientDoubtError where letters got lost, or the dates cannot be."""
    if facts.doubtful_letters:
        raise PatientDoubtError("letters_in_doubt", _letters(facts))
    _check_calendar(facts, moment)
    if is_placeholder_identifier(facts.patient_id):
        raise PatientDoubtError(
            "no_identifier",
            gettext_noop(
                "The file’s Patient ID is a placeholder that several patients may share. Say "
                "whose image it is."
            ),
        )
    if moment.is_in_future:
        raise PatientDoubtError(
            "study_date_in_future",
            gettext_noop(
                "The date of the study is in the future. Say when the study was made, or leave the"
                " date out."
            ),
        )
    if moment.doubtful is not None:
        raise PatientDoubtError(
            "dates_contradict",
            gettext_noop(
                "The dates of the file cannot be right: the study lies before the birth, more than"
                " 130 years after it, or before there were X-rays. Say which date is right, or"
                " leave it out."
            ),
        )


def _check_calendar(facts: ImageFacts, moment: StudyMoment) -> None:
    """Raise PatientDoubtError where a date in the future makes sense in Bikram Sambat."""
    if moment.doubtful is not None and moment.by_bikram_sambat is not None:
        converted = timezone.localtime(moment.by_bikram_sambat).date()
        words = BIKRAM_SAMBAT.format(given=moment.doubtful, converted=converted)
        raise PatientDoubtError("bikram_sambat", words)
    born = real_birth_date(facts)
    born_then = born_by_bikram_sambat(born) if born else None
    if born_then is not None:
        words = BORN_BY_BIKRAM_SAMBAT.format(given=born, converted=born_then)
        raise PatientDoubtError("bikram_sambat", words)


def _letters(facts: ImageFacts) -> str:
    attributes = " and ".join(_WORDS[keyword] for keyword in facts.doubtful_letters)
    if not facts.character_set:
        return NO_CHARACTER_SET.format(attributes=attributes)
    return LETTERS_IN_DOUBT.format(attributes=attributes, declared=facts.character_set)
