"""Study date of a file, and which of its dates are in doubt."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from ml.images import ImageFacts
from webportal.records.ages import FIRST_RADIOGRAPH, contradicts
from webportal.records.bikram_sambat import from_bikram_sambat

# A device may be ahead of the portal by its time zone.
_AHEAD = timedelta(days=1)
# What programs write where they know no date: the zero of .NET and Java, of Excel, Unix and SQL
# Server, or the first or last day that somebody thought nobody would be born or examined on.
_PLACEHOLDER_DAYS = {
    date(1753, 1, 1),
    date(1800, 1, 1),
    date(1899, 12, 30),
    date(1899, 12, 31),
    date(1900, 1, 1),
    date(1901, 1, 1),
}
_UNIX_ZERO = date(1970, 1, 1)  # a birthday of many, but hardly the day of a study
_LAST_REAL_YEAR = 8999


# A device that counts by Bikram Sambat is used now; years further back are slips of another kind.
_DEVICE_YEARS = timedelta(days=20 * 365)


@dataclass(frozen=True)
class StudyMoment:
    """When a study was made as far as it is certain; `doubtful` a day that is given but not used.

    A doubtful day is in the future or contradicts the date of birth. `by_bikram_sambat` is what a
    day in the future would be, were it written in that calendar; nothing takes it unasked.
    """

    at: datetime | None = None
    doubtful: date | None = None
    is_in_future: bool = False
    by_bikram_sambat: datetime | None = None


def real_birth_date(facts: ImageFacts) -> date | None:
    """The date of birth in a file's header; None where it is absent or a placeholder."""
    born = facts.patient_birth_date
    return None if born is None or is_placeholder_day(born) else born


def study_moment(facts: ImageFacts, given: date | None, born: date | None) -> StudyMoment:
    """When the study was made: Study Date, else Acquisition or Content Date, else `given`.

    Placeholders count as absent. The day of the upload is never taken. `born`: the patient's date
    of birth, where it is known.
    """
    candidates = [
        (facts.study_date, facts.study_time),
        (facts.acquisition_date, facts.acquisition_time),
        (facts.content_date, facts.content_time),
        (given, None),
    ]
    for day, moment in candidates:
        if day is None or is_placeholder_day(day) or day == _UNIX_ZERO:
            continue
        if day > timezone.localdate() + _AHEAD:
            converted = _by_bikram_sambat(day, moment or time())
            return StudyMoment(doubtful=day, is_in_future=True, by_bikram_sambat=converted)
        if day < FIRST_RADIOGRAPH or contradicts(born, day):
            return StudyMoment(doubtful=day)
        return StudyMoment(at=timezone.make_aware(datetime.combine(day, moment or time())))
    return StudyMoment()


def acquisition_moment(facts: ImageFacts) -> datetime | None:
    """When the image itself was made; None unless the file gives a day and a time of day.

    Nor where the day is a placeholder or lies in the future.
    """
    day, moment = facts.acquisition_date, facts.acquisition_time
    if day is None or moment is None or is_placeholder_day(day) or day == _UNIX_ZERO:
        return None
    if not FIRST_RADIOGRAPH <= day <= timezone.localdate() + _AHEAD:
        return None
    return timezone.make_aware(datetime.combine(day, moment))


def _by_bikram_sambat(day: date, moment: time) -> datetime | None:
    converted = from_bikram_sambat(day.year, day.month, day.day)
    today = timezone.localdate()
    if converted is None or not today - _DEVICE_YEARS <= converted <= today + _AHEAD:
        return None
    return timezone.make_aware(datetime.combine(converted, moment))


def born_by_bikram_sambat(born: date) -> date | None:
    """What a date of birth in the future would be in Bikram Sambat; None where it cannot be one."""
    converted = from_bikram_sambat(born.year, born.month, born.day)
    return converted if converted and converted <= timezone.localdate() < born else None


def is_placeholder_day(day: date) -> bool:
    """Whether programs write this day where they know no date."""
    return day.year == 1 or day.year > _LAST_REAL_YEAR or day in _PLACEHOLDER_DAYS
