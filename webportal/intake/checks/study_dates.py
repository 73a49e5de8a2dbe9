"""A file's study date, and doubts about its dates."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone
from pydicom import uid

from ml.images import ImageFacts
from webportal.records.ages import FIRST_RADIOGRAPH, contradicts
from webportal.records.bikram_sambat import from_bikram_sambat

# A device's time zone may be ahead of the portal's.
_AHEAD = timedelta(days=1)
# Placeholder dates written by programs: the zero of .NET and Java, Excel, Unix and SQL Server, or a
# first or last day considered out of range.
_PLACEHOLDER_DAYS = {
    date(1753, 1, 1),
    date(1800, 1, 1),
    date(1899, 12, 30),
    date(1899, 12, 31),
    date(1900, 1, 1),
    date(1901, 1, 1),
}
# Plausible birthdays, but hardly days of a study: the zero of macOS, of Unix and in time zones west
# of Greenwich, and of clocks that have lost the date.
_ZERO_DAYS = {date(1904, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(1980, 1, 1)}
_LAST_REAL_YEAR = 8999


# A device set to Bikram Sambat is in current use; dates further back are other errors.
_DEVICE_YEARS = timedelta(days=20 * 365)


@dataclass(frozen=True)
class StudyMoment:
    """The study date as far as it is certain; `doubtful` is a date that is given but not used.

    A doubtful date is in the future or contradicts the date of birth. `by_bikram_sambat` is a
    future date converted from that calendar; it is never used without confirmation.
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
    """The study date: Study Date, else Acquisition or Content Date, else `given`.

    Placeholders count as absent. The upload date is never used, nor the day on which a film was
    digitised, which is the Content Date of a secondary capture. `born`: the patient's date of
    birth, if known.
    """
    is_secondary = facts.sop_class_uid.startswith(uid.SecondaryCaptureImageStorage)
    candidates = [
        (facts.study_date, facts.study_time),
        (facts.acquisition_date, facts.acquisition_time),
        (None if is_secondary else facts.content_date, facts.content_time),
        (given, None),
    ]
    for day, moment in candidates:
        if day is None or is_placeholder_day(day) or day in _ZERO_DAYS:
            continue
        if day > timezone.localdate() + _AHEAD:
            converted = _by_bikram_sambat(day, moment or time())
            return StudyMoment(doubtful=day, is_in_future=True, by_bikram_sambat=converted)
        if day < FIRST_RADIOGRAPH or contradicts(born, day):
            return StudyMoment(doubtful=day)
        return StudyMoment(at=timezone.make_aware(datetime.combine(day, moment or time())))
    return StudyMoment()


def acquisition_moment(facts: ImageFacts) -> datetime | None:
    """The acquisition time of the image; None unless the file gives date and time.

    Also None if the date is a placeholder or in the future.
    """
    day, moment = facts.acquisition_date, facts.acquisition_time
    if day is None or moment is None or is_placeholder_day(day) or day in _ZERO_DAYS:
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
    """A future date of birth converted from Bikram Sambat; None if it cannot be one."""
    converted = from_bikram_sambat(born.year, born.month, born.day)
    return converted if converted and converted <= timezone.localdate() < born else None


def is_placeholder_day(day: date) -> bool:
    """Whether programs write this date as a placeholder."""
    return day.year == 1 or day.year > _LAST_REAL_YEAR or day in _PLACEHOLDER_DAYS
