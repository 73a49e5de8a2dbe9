"""Uncertain header values on patient and study: a person has to decide."""

from django.utils import timezone

from ml.images import ImageFacts
from webportal.intake.checks.study_dates import StudyMoment, born_by_bikram_sambat, real_birth_date
from webportal.intake.errors import PatientDoubtError
from webportal.records.ages import contradicts
from webportal.records.identifiers import is_placeholder_identifier
from webportal.records.spreadsheets import has_lost_digits

# Of a value that should have eight characters; the file itself has the rest.
_MOST_SHOWN = 64


def check_certain(facts: ImageFacts, moment: StudyMoment) -> None:
    """Raise PatientDoubtError if characters were lost, or dates are unreadable or impossible."""
    if facts.doubtful_letters:
        raise _doubtful_letters(facts)
    if facts.unreadable_birth_date:
        given = facts.unreadable_birth_date[:_MOST_SHOWN]
        raise PatientDoubtError("birth_date_unreadable", given=given)
    _check_calendar(facts, moment)
    if is_placeholder_identifier(facts.patient_id):
        raise PatientDoubtError("no_identifier")
    if has_lost_digits(facts.patient_id):
        raise PatientDoubtError("no_identifier", variant="spreadsheet")
    if moment.is_in_future:
        raise PatientDoubtError("study_date_in_future")
    if moment.doubtful is not None:
        raise PatientDoubtError("dates_contradict")
    # Otherwise the date of the study has been compared with it.
    if moment.at is None and contradicts(real_birth_date(facts), timezone.localdate()):
        raise PatientDoubtError("dates_contradict", variant="birth")


def _check_calendar(facts: ImageFacts, moment: StudyMoment) -> None:
    """Raise PatientDoubtError if a date in the future is plausible in Bikram Sambat."""
    if moment.doubtful is not None and moment.by_bikram_sambat is not None:
        converted = timezone.localtime(moment.by_bikram_sambat).date()
        dates = {"given": moment.doubtful.isoformat(), "converted": converted.isoformat()}
        raise PatientDoubtError("bikram_sambat", **dates)
    born = real_birth_date(facts)
    born_then = born_by_bikram_sambat(born) if born else None
    if born is not None and born_then is not None:
        dates = {"given": born.isoformat(), "converted": born_then.isoformat()}
        raise PatientDoubtError("bikram_sambat", variant="birth", **dates)


def _doubtful_letters(facts: ImageFacts) -> PatientDoubtError:
    attributes = list(facts.doubtful_letters)
    if not facts.character_set:
        return PatientDoubtError(
            "letters_in_doubt", variant="no_character_set", attributes=attributes
        )
    return PatientDoubtError(
        "letters_in_doubt", attributes=attributes, declared=facts.character_set
    )
