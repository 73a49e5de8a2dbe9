"""Decisions on roles that wait for a second administrator's approval."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from webportal.accounts import approval, passkey_forms, services
from webportal.accounts.models import RequestOutcome, Role, RoleRequest
from webportal.accounts.roles import SignedInRequest, allow
from webportal.refusals import Refusal

_PURPOSE = "roles"


@allow(Role.IT)
@require_POST
def approve(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Approve roles with the password or a passkey."""
    found = _request(request_id)
    typed = request.POST.get("password", "")
    try:
        secret = passkey_forms.secret_of(request, _PURPOSE, request.user, typed)
        approval.approve(found, secret, request.user)
    except Refusal as error:
        messages.error(request, str(error))
    else:
        words = _("Approved. {name} has these roles now.").format(name=found.user)
        messages.success(request, words)
    return redirect("accounts:user", found.user_id)


@allow(Role.IT)
@require_POST
def turn_down(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Withdraw one's own request, or reject another's."""
    found = _request(request_id)
    try:
        outcome = approval.turn_down(found, request.user)
    except services.AccountError as error:
        messages.error(request, str(error))
    else:
        is_own = outcome == RequestOutcome.WITHDRAWN
        messages.success(
            request,
            _("Withdrawn: {name} does not get these roles.").format(name=found.user)
            if is_own
            else _("Rejected: {name} does not get these roles.").format(name=found.user),
        )
    return redirect("accounts:user", found.user_id)


@allow(Role.IT)
@require_POST
def passkey_options(request: SignedInRequest) -> HttpResponse:
    """The options with which the browser requests the passkey that approves roles."""
    return passkey_forms.options_for(request, _PURPOSE, request.user)


def _request(request_id: uuid.UUID) -> RoleRequest:
    people = RoleRequest.objects.select_related("user", "requested_by")
    return get_object_or_404(people, pk=request_id)
