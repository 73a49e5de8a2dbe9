"""Studies for tests of the worklist, and what a page of it lists."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.factories import make_prediction, make_radiograph, make_study
from webportal.records.models import Study


def study_of(category: str = "", priority: int = 2, hours: int = 0, **fields: object) -> Study:
    """A study that has been waiting for so many hours."""
    radiograph = make_radiograph(make_study(priority=priority, **fields))
    if category:
        make_prediction(radiograph, category)
    study = radiograph.study
    Study.objects.filter(pk=study.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    return study


def shown(response: Any) -> list[Study]:
    """The studies on the page of the worklist that was answered, in its order."""
    return [row["study"] for row in response.context["rows"]]
