"""The page about drift."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference.figures import describe_population
from webportal.inference.registry import active_model
from webportal.oversight.drift.health import problems
from webportal.oversight.drift.table import compared, of_card
from webportal.oversight.drift.weeks import reference_weeks
from webportal.oversight.drift_plots import plots
from webportal.oversight.models import DriftWeek
from webportal.oversight.statistics import smirnov_limit

SHOWN_WEEKS = 26


@allow(Role.RADIOLOGIST, Role.IT)
@require_safe
def drift(request: SignedInRequest) -> HttpResponse:
    """The weeks of the active version, beside its first ones."""
    model = active_model()
    newest_first = DriftWeek.objects.filter(model_version=model).order_by("-starts_on")
    weeks = list(newest_first[:SHOWN_WEEKS])[::-1]
    reference = reference_weeks(model) if model is not None else []
    week = weeks[-1] if weeks else None
    context = {
        "model": model,
        "population": describe_population(model) if model is not None else "",
        "card": of_card(model) if model is not None else [],
        "weeks": weeks,
        "week": week,
        "reference": reference,
        "reference_ends": reference[-1].starts_on + timedelta(days=6) if reference else None,
        "reference_scored": sum(each.scored for each in reference),
        "rows": compared(reference, week) if week is not None and reference else [],
        "plots": plots(weeks) if weeks else [],
        "as_tables": request.GET.get("as") == "tables",
        "is_alarm": bool(problems()),
        "limit": settings.DRIFT_PSI,
        "least": settings.DRIFT_MIN_IMAGES,
        "reference_weeks": settings.DRIFT_REFERENCE_WEEKS,
        "ks_limit": (
            smirnov_limit(week.reference_scored, week.scored)
            if week is not None and week.ks is not None
            else None
        ),
    }
    return render(request, "oversight/drift.html", context)
