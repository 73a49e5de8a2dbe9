"""A study's place on the worklist: the worst current result among its radiographs."""

import uuid
from collections.abc import Collection

from django.db.models import Case, F, IntegerField, QuerySet, Value, When

from webportal.inference.models import Prediction
from webportal.records.models import Category, Concern, Study

CONCERN_OF = {category: Concern[category.name] for category in Category}


def worst_current(study_ids: Collection[uuid.UUID]) -> QuerySet[Prediction]:
    """The worst current result of each study, at most one a study."""
    concern = Case(
        *(When(category=category, then=Value(concern)) for category, concern in CONCERN_OF.items()),
        output_field=IntegerField(),
    )
    return (
        Prediction.objects.filter(is_current=True, radiograph__study__in=study_ids)
        .order_by("radiograph__study_id", concern, F("probability").desc(), "pk")
        .distinct("radiograph__study_id")
    )


def refresh_summaries(study_ids: Collection[uuid.UUID]) -> None:
    """Write concern, category and probability of the studies from their current predictions.

    The studies are locked first, so that of two workers that finish images of one study the second
    sees the first one's result.
    """
    studies = {
        study.pk: study
        for study in Study.objects.select_for_update().filter(pk__in=study_ids).order_by("pk")
    }
    for study_id, category, probability in worst_current(study_ids).values_list(
        "radiograph__study", "category", "probability"
    ):
        study = studies[study_id]
        study.concern = CONCERN_OF[Category(category)]
        study.category, study.probability = category, probability
    Study.objects.bulk_update(studies.values(), ["concern", "category", "probability"])
