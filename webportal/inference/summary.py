"""A study's place on the worklist: the worst current result among its radiographs."""

import uuid
from collections.abc import Collection

from django.db import connection

from webportal.records.models import Category, Concern, Study

_RANKS = " ".join(f"WHEN '{each}' THEN {Concern[each.name]}" for each in Category)

# One statement for a whole batch: Django's bulk_update takes as long as all the rest of the write.
REFRESH = f"""
UPDATE records_study AS study
SET concern = worst.concern, category = worst.category, probability = worst.probability
FROM (
    SELECT DISTINCT ON (radiograph.study_id) radiograph.study_id, prediction.category,
        prediction.probability, CASE prediction.category {_RANKS} END AS concern
    FROM inference_prediction AS prediction
    JOIN records_radiograph AS radiograph ON radiograph.id = prediction.radiograph_id
    WHERE prediction.is_current AND radiograph.study_id = ANY(%s)
    ORDER BY radiograph.study_id, concern, prediction.probability DESC
) AS worst
WHERE study.id = worst.study_id
"""


def refresh_summaries(study_ids: Collection[uuid.UUID]) -> None:
    """Write concern, category and probability of the studies from their current predictions.

    The studies are locked first, so that of two workers that finish images of one study the second
    sees the first one's result.
    """
    studies = Study.objects.filter(pk__in=study_ids).order_by("pk")
    locked = list(studies.select_for_update(no_key=True).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(REFRESH, [locked])
