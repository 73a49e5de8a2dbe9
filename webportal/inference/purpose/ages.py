"""The patient's age at the time of the image, as far as dates and header agree.

Birth date and Patient's Age (0010,1010) may both be present, contradict each other, or be
impossible: impossible values count as unknown.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from webportal.records.ages import age_in_months

# Nobody has lived longer than 122 years: a birth date in 1900 is a placeholder.
OLDEST_MONTHS = 123 * 12 - 1
DAYS_A_MONTH = 365.25 / 12
# One may be rounded up, the other down.
TOLERANCE_MONTHS = 12
_DAYS = {"D": 1.0, "W": 7.0, "M": DAYS_A_MONTH, "Y": 365.25}


@dataclass(frozen=True)
class StatedAge:
    """An age from one source, in the half-open range from `months` to `below`."""

    months: int
    below: int


def by_dates(born: date, taken: date) -> StatedAge | None:
    """The age in whole months from the dates, None if they cannot both be right."""
    months = age_in_months(born, taken)
    return None if months is None or months > OLDEST_MONTHS else StatedAge(months, months + 1)


def by_header(given: str) -> StatedAge | None:
    """The age in Patient's Age (VR AS, `045Y`), None if invalid or impossible.

    A number without a unit is rejected: it may be years or months.
    """
    match = re.fullmatch(r"(\d{1,3})\s*([DWMY])", given.strip().upper())
    if match is None:
        return None
    number, days = int(match[1]), _DAYS[match[2]]
    months = round(number * 12) if match[2] == "Y" else int(number * days / DAYS_A_MONTH)
    below = months + (12 if match[2] == "Y" else 1)
    return StatedAge(months, below) if months <= OLDEST_MONTHS else None


def contradict(one: StatedAge, other: StatedAge) -> bool:
    """Whether two ages differ by more than rounding explains."""
    apart = max(one.months - (other.below - 1), other.months - (one.below - 1), 0)
    return apart > TOLERANCE_MONTHS


def can_be(taken: date, received: date) -> bool:
    """Whether an image received on one day can have been taken on the other.

    A clock in another time zone may be a day ahead.
    """
    return taken <= received + timedelta(days=1)
