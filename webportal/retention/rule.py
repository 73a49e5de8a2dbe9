"""Studies whose retention period has passed.

The period starts with the examination, or with the upload if that date is unknown, and restarts
with each later signature and addendum. The study is due RETENTION_YEARS later; if the patient was a
minor at the examination, not before they reach RETENTION_MINORS_UNTIL. Without a birth date the
patient is assumed to have been born on the day of the examination, so that no study is due too
early.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from django.conf import settings
from django.db.models import (
    DateTimeField,
    Exists,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Cast, Coalesce, Greatest
from django.utils import timezone
from django_stubs_ext import WithAnnotations

from webportal.records.models import Study
from webportal.retention.holds import open_holds
from webportal.review.models import Addendum, Read

MAJORITY = 18


class _Dates(TypedDict):
    examined_at: datetime
    begun_at: datetime


@dataclass(frozen=True)
class RetentionCounts:
    """The number of due studies, and of those kept only by a hold."""

    due: int
    held: int


def is_set() -> bool:
    """Whether a retention rule is configured."""
    return bool(settings.RETENTION_YEARS > 0)


def due(now: datetime | None = None) -> "QuerySet[WithAnnotations[Study, _Dates]]":
    """The studies that are due and not on hold, oldest first; none without a rule.

    Each is annotated with `begun_at`, the start of its retention period.
    """
    return _past_retention(now).exclude(_is_held()).order_by("begun_at", "id")


def figures() -> RetentionCounts:
    """The numbers of due and held studies."""
    past = _past_retention(None)
    held = past.filter(_is_held()).count()
    return RetentionCounts(due=past.count() - held, held=held)


def _past_retention(now: datetime | None) -> "QuerySet[WithAnnotations[Study, _Dates]]":
    now = now or timezone.now()
    examined = Coalesce("performed_at", "created_at")
    studies = Study.objects.annotate(
        examined_at=examined,
        begun_at=Greatest(examined, _last(Read, "study"), _last(Addendum, "read__study")),
    )
    if not is_set():
        return studies.none()
    studies = studies.filter(begun_at__lte=_after(Value(now), -settings.RETENTION_YEARS))
    if settings.RETENTION_MINORS_UNTIL <= 0:
        return studies
    born = Coalesce(Cast("patient__birth_date", DateTimeField()), F("examined_at"))
    return studies.annotate(born_at=born).filter(
        Q(examined_at__gte=_after(F("born_at"), MAJORITY))
        | Q(born_at__lte=_after(Value(now), -settings.RETENTION_MINORS_UNTIL))
    )


def _last(model: type[Read] | type[Addendum], study: str) -> Subquery:
    """The last signature of a study, including one taken back; a draft has none."""
    of_study = model._default_manager.filter(**{study: OuterRef("pk")}, signed_at__isnull=False)
    return Subquery(of_study.order_by("-signed_at").values("signed_at")[:1])


def _after(moment: F | Value, years: int) -> Func:
    """The same day and month, this many years later."""
    return Func(
        Cast(moment, DateTimeField()),
        Value(years, output_field=IntegerField()),
        template="(%(expressions)s))",
        function="",
        arg_joiner=" + make_interval(years => ",
        output_field=DateTimeField(),
    )


def _is_held() -> Q:
    of_patient = open_holds().filter(patient=OuterRef("patient"))
    of_study = open_holds().filter(study=OuterRef("pk"))
    return Q(Exists(of_patient)) | Q(Exists(of_study))
