"""Computing the weeks of the active version, one after the other.

The first weeks with images are the reference, until they have enough scores: a model card has no
distribution of scores, and another hospital's would not show what has changed here.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.utils import timezone

from ml.serving.stages import ADULT
from webportal.inference.models import Job, JobState, ModelVersion
from webportal.inference.purpose.keeping import load_known_facts
from webportal.inference.registry import active_model
from webportal.oversight.drift.groups import age_group, equipment_name, most_frequent, view_group
from webportal.oversight.models import DriftWeek
from webportal.oversight.statistics import Floats, kolmogorov_smirnov, population_stability
from webportal.records.choices import Purpose
from webportal.records.models import Radiograph
from webportal.review.models import Decision
from webportal.review.reports.agreement import reads_between

_AT_ONCE = 500
WEEK = timedelta(days=7)
# What happened in a week may be committed after its end.
_SETTLED = timedelta(hours=1)


class _Result(NamedTuple):
    """The part of a result that counts here."""

    score: float | None
    purpose: str
    assessed_as: str

    @property
    def kind(self) -> str:
        """Whether the image was scored, refused by the gate, or withheld.

        Scores of adults' images have a calibration of their own, and are not on the scale of the
        others.
        """
        if self.purpose == Purpose.WITHHELD:
            return "withheld"
        if self.score is None:
            return "refused"
        if self.purpose == Purpose.OUTSIDE:
            return "outside"
        return "as_adult" if self.assessed_as == ADULT else "scored"


def is_due() -> bool:
    """Whether a complete week of the active version is missing."""
    model = active_model()
    return model is not None and next(_missing(model), None) is not None


def compute_due() -> int:
    """Compute the complete weeks that are missing, oldest first; return how many.

    After a pause of the scheduler, or an upgrade, all missing weeks are computed.
    """
    model = active_model()
    if model is None:
        return 0
    mondays = list(_missing(model))
    for monday in mondays:
        _compute(model, monday)
    return len(mondays)


def last_complete_week() -> date:
    """The Monday of the last week that is over and settled."""
    day = timezone.localtime(timezone.now() - _SETTLED).date()
    return day - timedelta(days=day.weekday()) - WEEK


def reference_weeks(model: ModelVersion) -> list[DriftWeek]:
    """The weeks of the version with which its later ones are compared."""
    return list(DriftWeek.objects.filter(model_version=model, is_reference=True))


def _is_complete(reference: Sequence[DriftWeek]) -> bool:
    """Whether there are enough weeks, with enough scores, to compare with."""
    scored = sum(week.scored for week in reference)
    weeks: int = settings.DRIFT_REFERENCE_WEEKS
    least: int = settings.DRIFT_MIN_IMAGES
    return len(reference) >= weeks and scored >= least


def _missing(model: ModelVersion) -> Iterator[date]:
    begun = timezone.localtime(model.activated_at or model.registered_at)
    monday = begun.date() - timedelta(days=begun.date().weekday())
    if begun > _midnight(monday):
        # Another version ran for a part of this week.
        monday += WEEK
    known = set(DriftWeek.objects.filter(model_version=model).values_list("starts_on", flat=True))
    while monday <= last_complete_week():
        if monday not in known:
            yield monday
        monday += WEEK


def _compute(model: ModelVersion, monday: date) -> None:
    results = _results(model, monday)
    scores = _scores(results)
    reference = reference_weeks(model)
    is_reference = bool(results) and not _is_complete(reference)
    week = DriftWeek(
        model_version=model,
        starts_on=monday,
        computed_at=timezone.now(),
        scored=len(scores),
        is_reference=is_reference,
        figures=_figures(results) | _reads(model, monday),
    )
    if not is_reference and reference:
        before = np.concatenate([_scores(_results(model, each.starts_on)) for each in reference])
        week.reference_scored = len(before)
        if min(len(scores), len(before)) >= settings.DRIFT_MIN_IMAGES:
            week.psi = population_stability(before, scores)
            week.ks = kolmogorov_smirnov(before, scores)
    DriftWeek.objects.bulk_create([week], ignore_conflicts=True)


def _results(model: ModelVersion, monday: date) -> dict[uuid.UUID, _Result]:
    """The version's results of a week by image, the last one of each."""
    jobs = Job.objects.filter(
        state__in=[JobState.DONE, JobState.REFUSED],
        finished_at__gte=_midnight(monday),
        finished_at__lt=_midnight(monday + WEEK),
    ).order_by("finished_at")
    rows = jobs.filter(prediction__model_version=model).values_list(
        "radiograph", "prediction__probability", "prediction__purpose", "prediction__assessed_as"
    )
    return {row[0]: _Result(row[1], row[2], row[3]) for row in rows}


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time_of_day()))


def _scores(results: Mapping[uuid.UUID, _Result]) -> Floats:
    """The scores that count: not those outside the version's purpose or of adults' images."""
    counting = (each for each in results.values() if each.kind == "scored")
    return np.array([each.score for each in counting], np.float64)


def _figures(results: Mapping[uuid.UUID, _Result]) -> dict[str, Any]:
    ages: Counter[str] = Counter()
    views: Counter[str] = Counter()
    equipment: Counter[str] = Counter()
    ids = list(results)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        facts = load_known_facts(some).values()
        ages.update(age_group(each) for each in facts)
        views.update(view_group(each) for each in facts)
        made = Radiograph.objects.filter(pk__in=some).order_by()
        rows = made.values_list("series__manufacturer", "series__model_name")
        equipment.update(equipment_name(maker or "", model or "") for maker, model in rows)
    return {
        "results": dict(Counter(result.kind for result in results.values())),
        "ages": dict(ages),
        "views": dict(views),
        "equipment": most_frequent(equipment),
    }


def _reads(model: ModelVersion, monday: date) -> dict[str, int]:
    """The reads signed in the week that decided on a result of the version.

    As on the agreement page, studies that wait for their second reader do not count.
    """
    reads = reads_between(monday, monday + WEEK - timedelta(days=1)).filter(
        prediction__model_version=model, decision__in=[Decision.CONFIRM, Decision.OVERRULE]
    )
    decisions = Counter(reads.values_list("decision", flat=True))
    return {"reads": decisions.total(), "overruled": decisions[Decision.OVERRULE]}
