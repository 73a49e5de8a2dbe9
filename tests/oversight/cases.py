"""A shadow trial and the images in it, without a worker."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.factories import make_model_version, make_prediction
from webportal.accounts.models import User
from webportal.inference.models import ModelVersion, Prediction
from webportal.oversight.models import Shadow, ShadowResult, ShadowState
from webportal.records.choices import Category


def make_versions() -> tuple[ModelVersion, ModelVersion]:
    """The active version, and another one."""
    return make_model_version(is_active=True), make_model_version("test-2")


def make_shadow(by: User, **fields: Any) -> Shadow:
    """A running trial on all studies, begun an hour ago."""
    active, other = make_versions()
    begun = timezone.now() - timedelta(hours=1)
    defaults = {
        "model_version": other,
        "beside": active,
        "share": 100,
        "started_at": begun,
        "started_by": by,
        "ends_at": timezone.now() + timedelta(days=7),
        "planned_until": begun,
    }
    return Shadow.objects.create(**defaults | fields)


def make_answer(
    shadow: Shadow, probability: float | None, seen: Prediction | None = None
) -> ShadowResult:
    """What the version on trial says of an image; by its thresholds of 0.2 and 0.8."""
    seen = seen or make_prediction()
    category = Category.NOT_ASSESSABLE
    if probability is not None:
        category = Category.LIKELY if probability >= 0.8 else Category.INDETERMINATE
        category = Category.UNLIKELY if probability < 0.2 else category
    return ShadowResult.objects.create(
        shadow=shadow,
        radiograph=seen.radiograph,
        prediction=seen,
        state=ShadowState.DONE,
        category=category,
        probability=probability,
        reason_code="not_frontal_chest" if probability is None else "",
    )
