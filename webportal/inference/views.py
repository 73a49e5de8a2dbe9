"""The model versions, their cards, and switching between versions."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference import registry
from webportal.inference.card import card_html
from webportal.inference.card_summary import card_summary
from webportal.inference.figures import PLOTS, describe_calibration, sections
from webportal.inference.forms import ComparisonForm
from webportal.inference.models import Job, JobState, ModelVersion


@allow(Role.RADIOLOGIST, Role.IT)
@require_safe
def models(request: SignedInRequest) -> HttpResponse:
    """All registered versions, newest first."""
    versions = list(ModelVersion.objects.select_related("activated_by"))
    context = {
        "rows": [
            {"model": version, "has_package": registry.has_package(version)} for version in versions
        ],
        "active": next((version for version in versions if version.is_active), None),
        "news": registry.news() if request.user.has_role(Role.IT) else None,
        "may_activate": request.user.has_role(Role.IT),
    }
    return render(request, "inference/models.html", context)


@allow(Role.RADIOLOGIST, Role.IT)
@require_safe
def model(request: SignedInRequest, model_id: uuid.UUID) -> HttpResponse:
    """One version: its operating points, its figures and its card."""
    shown = get_object_or_404(ModelVersion.objects.select_related("activated_by"), pk=model_id)
    context = {
        "model": shown,
        "models": [shown],
        "sections": sections([shown]),
        "card": card_html(shown.card),
        "plots": [(name, PLOTS[name], seen) for name, seen in registry.plots(shown).items()],
        # No summary in English.
        "summary": card_summary(shown) if get_language() != settings.LANGUAGE_CODE else None,
        "has_package": registry.has_package(shown),
        "active": registry.active_model(),
        "may_activate": request.user.has_role(Role.IT) and not shown.is_active,
    }
    return render(request, "inference/model.html", context)


@allow(Role.RADIOLOGIST, Role.IT)
@require_safe
def plot(request: SignedInRequest, model_id: uuid.UUID, plot_name: str) -> HttpResponse:
    """One of the plots of a version's package."""
    picture = registry.plot(get_object_or_404(ModelVersion, pk=model_id), plot_name)
    if picture is None:
        raise Http404
    return HttpResponse(picture, content_type="image/png")


@allow(Role.RADIOLOGIST, Role.IT)
@require_safe
def compare(request: SignedInRequest) -> HttpResponse:
    """Two versions side by side."""
    form = ComparisonForm(request.GET or None)
    chosen = [form.cleaned_data["first"], form.cleaned_data["second"]] if form.is_valid() else []
    context = {"form": form, "models": chosen, "sections": sections(chosen)}
    return render(request, "inference/compare.html", context)


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def activate(request: SignedInRequest, model_id: uuid.UUID) -> HttpResponse:
    """Show what would change and, on confirmation, activate a version."""
    chosen = get_object_or_404(ModelVersion, pk=model_id)
    active = registry.active_model()
    if chosen == active:
        messages.info(request, _("Version %(version)s is active.") % {"version": chosen.version})
        return redirect("inference:models")
    if request.method == "POST":
        try:
            registry.activate(chosen, request.user)
        except registry.RegistryError as error:
            messages.error(request, str(error))
        else:
            messages.success(
                request,
                _("Version %(version)s is active: workers run it from their next batch on.")
                % {"version": chosen.version},
            )
        return redirect("inference:models")
    compared = [active, chosen] if active else [chosen]
    context = {
        "model": chosen,
        "active": active,
        "models": compared,
        "sections": sections(compared),
        "has_package": registry.has_package(chosen),
        "waiting": Job.objects.filter(state=JobState.QUEUED).count(),
        "population": describe_calibration(chosen),
    }
    return render(request, "inference/activate.html", context)
