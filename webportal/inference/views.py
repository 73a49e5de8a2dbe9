"""The model versions and their cards."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe
from markdown_it import MarkdownIt

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference import registry
from webportal.inference.models import ModelVersion

# Without "html", markup in a card is shown as text: a card comes with a package, from elsewhere.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@allow(Role.RADIOLOGIST, Role.IT)
@require_safe
def models(request: SignedInRequest) -> HttpResponse:
    """All registered versions, newest first."""
    return render(request, "inference/models.html", {"models": ModelVersion.objects.all()})


@allow(Role.RADIOLOGIST, Role.IT)
@require_safe
def model(request: SignedInRequest, model_id: uuid.UUID) -> HttpResponse:
    """One version: its operating points and its card."""
    shown = get_object_or_404(ModelVersion, pk=model_id)
    points = sorted(shown.thresholds.items(), key=lambda item: item[1]["threshold"])
    context = {
        "model": shown,
        "points": points,
        "card": mark_safe(_MARKDOWN.render(shown.card)),
        "may_activate": request.user.has_role(Role.IT) and not shown.is_active,
    }
    return render(request, "inference/model.html", context)


@allow(Role.IT)
@require_POST
def activate(request: SignedInRequest, model_id: uuid.UUID) -> HttpResponse:
    """Make a version the one that workers run."""
    chosen = get_object_or_404(ModelVersion, pk=model_id)
    registry.activate(chosen, request.user)
    messages.success(
        request, f"Version {chosen.version} is active: workers run it from their next batch on."
    )
    return redirect("inference:models")
