"""Dates of the Bikram Sambat calendar, Nepal's own, beside ISO 8601.

Dates are always stored in the common era; Nepali readers see both.
"""

from datetime import date, datetime

import nepali_datetime
from django.utils import timezone, translation

LANGUAGE = "ne"


def local_day(moment: date | datetime) -> date:
    """The date of a datetime in the portal's time zone; a date is returned as is."""
    return timezone.localtime(moment).date() if isinstance(moment, datetime) else moment


def in_bikram_sambat(day: date) -> str:
    """The date in Bikram Sambat, marked as such: "वि.सं. 2082-02-24".

    "" outside the years of the calendar's published tables (1918 to 2043 of the common era).
    """
    try:
        nepali = nepali_datetime.date.from_datetime_date(day)
    except OverflowError:
        return ""
    return f"वि.सं. {nepali.year}-{nepali.month:02}-{nepali.day:02}"


def from_bikram_sambat(year: int, month: int, day: int) -> date | None:
    """Convert a Bikram Sambat date to the common era; None if it does not exist."""
    try:
        found: date = nepali_datetime.date(year, month, day).to_datetime_date()
    except (ValueError, OverflowError):
        return None
    return found


def beside_iso(moment: date | datetime) -> str:
    """The Bikram Sambat date for a reader of Nepali; "" in every other language."""
    if translation.get_language() != LANGUAGE:
        return ""
    return in_bikram_sambat(local_day(moment))


def written_day(day: date | datetime) -> str:
    """The date in ISO 8601; for Nepali readers with the Bikram Sambat date in brackets."""
    iso = local_day(day).isoformat()
    nepali = beside_iso(day)
    return f"{iso} ({nepali})" if nepali else iso


def written_examination(moment: datetime) -> str:
    """The day of an examination as `written_day`, and its time if that is known.

    Midnight is the time of a study of which only the day is known. On a ward a patient may be
    examined several times a day.
    """
    local = timezone.localtime(moment)
    is_timed = (local.hour, local.minute, local.second) != (0, 0, 0)
    return f"{written_day(moment)} {local:%H:%M}" if is_timed else written_day(moment)


def written_moment(moment: datetime) -> str:
    """The time to the minute with its time zone, for exports; like `written_day`."""
    iso = f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"
    nepali = beside_iso(moment)
    return f"{iso} ({nepali})" if nepali else iso
