"""Whether the scores have changed: for hospital IT's alerts, and the metrics."""

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.inference.registry import active_model
from webportal.oversight.drift.weeks import WEEK, last_complete_week
from webportal.oversight.models import DriftWeek

DRIFT = "model_drift"

WORDS: dict[str, str | Promise] = {
    DRIFT: _(
        "The model’s scores of the last week are distributed differently than in its first weeks."
        " This says nothing about whether they are right: other patients, other equipment or a"
        " fault may be the reason. Look under Models, Drift, and tell the radiologists."
    ),
}


def latest_week() -> DriftWeek | None:
    """The newest week of the active version; None if it was not active recently."""
    model = active_model()
    if model is None:
        return None
    # While the following week is being computed, this one still counts.
    recent = last_complete_week() - WEEK
    return DriftWeek.objects.filter(model_version=model, starts_on__gte=recent).last()


def problems() -> list[str]:
    """The codes of the problems that need attention."""
    week = latest_week()
    if week is None or week.psi is None or week.psi <= settings.DRIFT_PSI:
        return []
    return [DRIFT]
