"""Patients' ages: the only place that computes them and rejects impossible ones."""

from datetime import date
from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:  # also used by the file check sandbox, without the database
    from webportal.records.models import Study

#: Nobody has lived longer than 122 years; a higher age is a dummy date or another calendar.
OLDEST_YEARS = 130
FIRST_RADIOGRAPH = date(1895, 11, 8)


def examined_on(study: "Study") -> date | None:
    """The local date of a study; None if no usable date was given.

    The upload date is never used instead.
    """
    at = study.performed_at
    return None if at is None else timezone.localtime(at).date()


def age_in_months(born: date | None, on: date | None) -> int | None:
    """Age in whole months on a day; None if a date is missing or the age is impossible."""
    if born is None or on is None or born > on:
        return None
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    return months if months < (OLDEST_YEARS + 1) * 12 else None


def contradicts(born: date | None, on: date | None) -> bool:
    """Whether both dates are given and the age is impossible."""
    return born is not None and on is not None and age_in_months(born, on) is None
