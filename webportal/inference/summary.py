"""A study's place on the worklist: the worst current result among its radiographs."""

import uuid
from collections.abc import Collection

from django.db.models import Case, F, IntegerField, Value, When

from webportal.inference.models import Prediction
from webportal.records.models import Category, Concern, Study

CONCERN_OF = {category: Concern[category.name] for category in Category}


def refresh_summaries(study_ids: Collection[uuid.UUID]) -> None:
    """Write concern, category and probability of the studies from their current predictions.

    The studies are locked first, so that of two workers that finish images of one study the second
    sees the first one's result.
    """
    studies = {
        study.pk: study
        for study in Study.objects.select_for_update().filter(pk__in=study_ids).order_by("pk")
    }
    concern = Case(
        *(When(category=category, then=Value(concern)) for category, concern in CONCERN_OF.items()),
        output_field=IntegerField(),
    )
    worst_first = (
        Prediction.objects.filter(is_current=True, radiograph__study__in=study_ids)
        .order_by("radiograph__study", concern, F("probability").desc())
        .distinct("radiograph__study")
    )
    for study_id, category, probability in worst_first.values_list(
        "radiograph__study", "category", "probability"
    ):
        study = studies[study_id]
        study.concern = CONCERN_OF[Category(category)]
        study.category, study.probability = category, probability
    Study.objects.bulk_update(studies.values(), ["concern", "category", "probability"])
