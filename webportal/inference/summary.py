"""A study's rank on the worklist, from its images' current results.

Images withheld because of their header (a lateral beside a frontal) do not count while another
does; of those that count the worst decides, and whether they differ is stored with the study. An
image with a failed analysis counts like one that the model cannot assess: a person has to look.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from webportal.inference.models import Job, JobState, Prediction
from webportal.records.choices import Category, Concern, Purpose
from webportal.records.models import Study

# One statement for a whole batch: Django's bulk_update takes as long as the rest of the write.
REFRESH = """
UPDATE records_study AS study
SET concern = summary.concern, category = summary.category, probability = summary.probability,
    purpose = summary.purpose, purpose_reasons = summary.purpose_reasons,
    images_differ = summary.images_differ, images_withheld = summary.images_withheld
FROM jsonb_to_recordset(%s::jsonb) AS summary (
    id uuid, concern smallint, category text, probability float8, purpose text,
    purpose_reasons jsonb, images_differ boolean, images_withheld smallint
)
WHERE study.id = summary.id
"""


# Summary of a study with a failed analysis, if no result takes precedence.
NO_ANSWER: dict[str, Any] = {
    "concern": Concern.NOT_ASSESSABLE,
    "category": Category.FAILED,
    "probability": None,
    "purpose": "",
    "purpose_reasons": [],
    "images_differ": False,
}
ENDED_WITHOUT_RESULT = (JobState.QUARANTINED, JobState.CANCELLED)


def counting(results: Iterable[Prediction]) -> list[Prediction]:
    """The current results that count for a study, the leading one first."""
    found = list(results)
    shown = [result for result in found if result.purpose != Purpose.WITHHELD]
    return sorted(shown or found, key=_worst_first)


def _worst_first(result: Prediction) -> tuple[int, float, uuid.UUID]:
    return Concern.of(result.shown_category), -(result.shown_probability or 0.0), result.pk


def lock_studies(study_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Lock the studies before their results are changed, and return those that exist.

    If two workers finish images of one study, the second then sees the first one's result, and
    nobody waits for a study while holding its results.
    """
    studies = Study.objects.filter(pk__in=study_ids).order_by("pk")
    return list(studies.select_for_update(no_key=True).values_list("pk", flat=True))


def refresh_summaries(study_ids: Collection[uuid.UUID]) -> None:
    """Update the studies' worklist columns from their current results."""
    refresh_locked(lock_studies(study_ids))


def refresh_locked(study_ids: Sequence[uuid.UUID]) -> None:
    """The same for studies that this transaction has locked already."""
    summaries = summaries_of(study_ids)
    with connection.cursor() as cursor:
        cursor.execute(REFRESH, [json.dumps(summaries)])


def summaries_of(study_ids: Sequence[uuid.UUID]) -> list[dict[str, Any]]:
    """Summarise the current results, by study; only studies with a result or a failure."""
    by_study: dict[uuid.UUID, list[Prediction]] = defaultdict(list)
    current = Prediction.objects.filter(is_current=True, radiograph__study__in=study_ids)
    needed = ("category", "probability", "purpose", "purpose_reasons", "radiograph__study_id")
    for result in current.select_related("radiograph").only(*needed):
        by_study[result.radiograph.study_id].append(result)
    failed = _with_failed_image(study_ids)
    return [
        _summary(study_id, by_study[study_id], study_id in failed)
        for study_id in study_ids
        if study_id in by_study or study_id in failed
    ]


def _with_failed_image(study_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """The studies with an image that has no result and whose last job ended without one."""
    current = Prediction.objects.filter(radiograph=OuterRef("radiograph"), is_current=True)
    later = Job.objects.filter(
        radiograph=OuterRef("radiograph"), queued_at__gt=OuterRef("queued_at")
    )
    ended = Job.objects.filter(study__in=study_ids, state__in=ENDED_WITHOUT_RESULT)
    failed = ended.filter(~Exists(current), ~Exists(later))
    return set(failed.values_list("study", flat=True))


def _summary(study_id: uuid.UUID, results: Sequence[Prediction], failed: bool) -> dict[str, Any]:
    counted = counting(results)
    if failed and not (counted and Concern.of(counted[0].shown_category) <= Concern.NOT_ASSESSABLE):
        return NO_ANSWER | {"id": str(study_id), "images_withheld": len(results) - len(counted)}
    leading = counted[0]
    return {
        "id": str(study_id),
        "concern": Concern.of(leading.shown_category),
        "category": leading.shown_category,
        "probability": leading.shown_probability,
        "purpose": leading.purpose,
        "purpose_reasons": leading.purpose_reasons,
        "images_differ": len({result.shown_category for result in counted}) > 1,
        "images_withheld": len(results) - len(counted),
    }
