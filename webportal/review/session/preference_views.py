"""Endpoints for reading preferences."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.review.models import ReadingPreference
from webportal.review.preferences import RESULTS_ARE_OPEN


@allow(Role.RADIOLOGIST)
@require_POST
def choose_shortcuts(request: SignedInRequest) -> HttpResponse:
    """Switch single-character shortcuts on or off, and return to the previous page."""
    chosen = request.POST.get("shortcuts") == "on"
    ReadingPreference.objects.update_or_create(
        reader=request.user, defaults={"has_shortcuts": chosen}
    )
    if chosen:
        messages.success(request, _("Keyboard shortcuts are on."))
    else:
        messages.success(
            request, _("Keyboard shortcuts are off: no single character does anything.")
        )
    return _back(request)


@allow(Role.RADIOLOGIST)
@require_POST
def open_results(request: SignedInRequest) -> HttpResponse:
    """Open the results of unread studies, or close them again, for the rest of this session."""
    request.session[RESULTS_ARE_OPEN] = request.POST.get("open") == "on"
    return _back(request)


@allow(Role.RADIOLOGIST)
@require_POST
def choose_reads_first(request: SignedInRequest) -> HttpResponse:
    """Save the choice and return to the previous page."""
    chosen = request.POST.get("reads_first") == "on"
    ReadingPreference.objects.update_or_create(
        reader=request.user, defaults={"reads_first": chosen}
    )
    if chosen:
        messages.success(
            request, _("From now on you read first: the result stays hidden until you open it.")
        )
    else:
        messages.success(request, _("From now on the model's result is shown at once."))
    return _back(request)


def _back(request: SignedInRequest) -> HttpResponse:
    origin = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(origin, allowed_hosts={request.get_host()})
    return redirect(origin if is_ours else "review:worklist")
