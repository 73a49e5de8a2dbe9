"""A study's place on the worklist: what its images' current results say together.

Images that are withheld by their header (a lateral beside a frontal) do not count while another
does; of those that count the worst does, and that they differ is kept with the study.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection

from webportal.inference.models import Prediction
from webportal.records.models import Concern, Purpose, Study

# One statement for a whole batch: Django's bulk_update takes as long as all the rest of the write.
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


def counting(results: Iterable[Prediction]) -> list[Prediction]:
    """Those current results of a study that count for it, the one that leads first."""
    found = list(results)
    shown = [result for result in found if result.purpose != Purpose.WITHHELD]
    return sorted(shown or found, key=_worst_first)


def _worst_first(result: Prediction) -> tuple[int, float, uuid.UUID]:
    return Concern.of(result.shown_category), -(result.shown_probability or 0.0), result.pk


def lock_studies(study_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """Lock the studies before their results are changed, and return which there are.

    Of two workers that finish images of one study the second so sees the first one's result, and
    nobody waits for a study while holding its results.
    """
    studies = Study.objects.filter(pk__in=study_ids).order_by("pk")
    return list(studies.select_for_update(no_key=True).values_list("pk", flat=True))


def refresh_summaries(study_ids: Collection[uuid.UUID]) -> None:
    """Write what the worklist shows and sorts by of the studies, from their current results."""
    by_study: dict[uuid.UUID, list[Prediction]] = defaultdict(list)
    current = Prediction.objects.filter(
        is_current=True, radiograph__study__in=lock_studies(study_ids)
    )
    needed = ("category", "probability", "purpose", "purpose_reasons", "radiograph__study_id")
    for result in current.select_related("radiograph").only(*needed):
        by_study[result.radiograph.study_id].append(result)
    summaries = [_summary(study_id, results) for study_id, results in by_study.items()]
    with connection.cursor() as cursor:
        cursor.execute(REFRESH, [json.dumps(summaries)])


def _summary(study_id: uuid.UUID, results: Sequence[Prediction]) -> dict[str, Any]:
    counted = counting(results)
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
