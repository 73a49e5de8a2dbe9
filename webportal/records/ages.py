"""Patients' ages: the one place that computes them and knows which are impossible."""

from datetime import date
from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:  # the check of a stranger's file uses this without the database
    from webportal.records.models import Study

#: Nobody has lived longer than 122 years; more is a dummy date or another calendar.
OLDEST_YEARS = 130
FIRST_RADIOGRAPH = date(1895, 11, 8)


def examined_on(study: "Study") -> date | None:
    """The day of a study in the local time; None where no usable date was given.

    The day of the upload is never taken for it.
    """
    at = study.performed_at
    return None if at is None else timezone.localtime(at).date()


def age_in_months(born: date | None, on: date | None) -> int | None:
    """Whole months of life on a day; None where a date is missing or the age cannot be."""
    if born is None or on is None or born > on:
        return None
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    return months if months < (OLDEST_YEARS + 1) * 12 else None


def age_in_years(born: date | None, on: date | None) -> int | None:
    """Whole years of life on a day; None where a date is missing or the age cannot be."""
    months = age_in_months(born, on)
    return None if months is None else months // 12


def contradicts(born: date | None, on: date | None) -> bool:
    """Whether both dates are given and nobody can have been that old."""
    return born is not None and on is not None and age_in_months(born, on) is None
