"""Pages of hospital IT about shadow trials."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts import passkey_forms
from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference.fleet import TAKE_JOBS, workers_with_states
from webportal.inference.registry import active_model
from webportal.oversight.forms import ShadowForm
from webportal.oversight.models import Shadow
from webportal.oversight.shadow import services
from webportal.oversight.shadow.comparison import CATEGORIES, LEAST_OF_A_CLASS, TrialComparison
from webportal.oversight.shadow_plots import score_plot
from webportal.refusals import Refusal
from webportal.review.reads.authentication import Secret

_PURPOSE = "shadow"


@allow(Role.IT)
@require_safe
def shadows(request: SignedInRequest) -> HttpResponse:
    """The trials, and the form that starts one."""
    return _shadows(request, ShadowForm())


def _shadows(request: SignedInRequest, form: ShadowForm, status: int = 200) -> HttpResponse:
    trials = list(Shadow.objects.select_related("model_version", "beside", "started_by"))
    context = {
        "trials": trials,
        "running": next((trial for trial in trials if trial.is_open), None),
        "active": active_model(),
        "form": form,
    }
    return render(request, "oversight/shadows.html", context, status=status)


@allow(Role.IT)
@require_POST
def start(request: SignedInRequest) -> HttpResponse:
    """Start a trial, on confirmation with the password or a passkey."""
    form = ShadowForm(request.POST)
    if not form.is_valid():
        return _shadows(request, form, status=422)
    given = form.cleaned_data
    try:
        shadow = services.start(
            given["model"], given["share"], given["until"], _secret(request), request.user
        )
    except Refusal as error:
        messages.error(request, str(error))
        return _shadows(request, form, status=error.status)
    messages.success(
        request,
        _(
            "Version %(version)s now runs in shadow mode. Results follow as new images arrive and"
            " workers have time."
        )
        % {"version": shadow.model_version.version},
    )
    return redirect("oversight:shadow", shadow.pk)


@allow(Role.IT)
@require_safe
def shadow(request: SignedInRequest, shadow_id: uuid.UUID) -> HttpResponse:
    """One trial: both versions compared."""
    people = ("model_version", "beside", "started_by", "ended_by")
    shadow = get_object_or_404(Shadow.objects.select_related(*people), pk=shadow_id)
    comparison = TrialComparison(shadow)
    context = {
        "shadow": shadow,
        "cannot_load": _at_work(shadow, shadow.cannot_load),
        "failing": _at_work(shadow, shadow.failing),
        "comparison": comparison,
        "categories": CATEGORIES,
        "least": LEAST_OF_A_CLASS,
        "plot": score_plot(comparison) if comparison.agreement.of else None,
    }
    return render(request, "oversight/shadow.html", context)


def _at_work(shadow: Shadow, worker: str) -> str:
    """The worker's name; '' if the trial is over, or the worker has gone or is drained."""
    at_work = workers_with_states().filter(pk=worker, state__in=TAKE_JOBS)
    return worker if not shadow.ended_at and at_work.exists() else ""


@allow(Role.IT)
@require_POST
def end(request: SignedInRequest, shadow_id: uuid.UUID) -> HttpResponse:
    """End a trial, on confirmation with the password or a passkey."""
    trial = get_object_or_404(Shadow, pk=shadow_id)
    try:
        if services.stop(trial, _secret(request), request.user):
            messages.success(request, _("The trial has ended. Its figures stay."))
        else:
            messages.info(request, _("The trial had ended already."))
    except Refusal as error:
        messages.error(request, str(error))
    return redirect("oversight:shadow", shadow_id)


@allow(Role.IT)
@require_POST
def passkey_options(request: SignedInRequest) -> HttpResponse:
    """The options with which the browser requests the passkey that confirms a trial."""
    return passkey_forms.options_for(request, _PURPOSE, request.user)


def _secret(request: SignedInRequest) -> Secret:
    """The passkey if the browser sent one, else the password. Raises PasskeyError."""
    typed = request.POST.get("password", "")
    return passkey_forms.secret_of(request, _PURPOSE, request.user, typed)
