"""Endpoints of the idle lock."""

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from webportal.accounts import passkey_forms
from webportal.accounts.models import Role
from webportal.accounts.passkeys import PasskeyError
from webportal.accounts.roles import SignedInRequest, allow
from webportal.accounts.services import AccountError
from webportal.review.reads.authentication import Secret
from webportal.review.session import lock

# The purpose to which the browser's response is bound.
UNLOCK = "unlock"


@allow(Role.RADIOLOGIST)
@require_POST
def lock_session(request: SignedInRequest) -> HttpResponse:
    """Lock the session, unless hospital IT has disabled it."""
    if settings.SESSION_LOCK_MINUTES:
        lock.lock(request.session, request.user)
    return HttpResponse(status=204)


@allow(Role.RADIOLOGIST)
@require_POST
def unlock_session(request: SignedInRequest) -> HttpResponse:
    """Unlock it with the password, the signing PIN or a passkey.

    A covered page requests JSON and continues as it was; the unlock page
    (review/session/locked.html) passes the requested URL in `next`.
    """
    is_program = "application/json" in request.headers.get("Accept", "")
    target = request.POST.get("next", "")
    try:
        lock.unlock(request.session, request.user, _secret(request))
    except (AccountError, PasskeyError) as error:
        if is_program:
            return JsonResponse({"detail": str(error)}, status=422)
        context = {"next": target, "error": str(error)}
        return render(request, "review/session/locked.html", context, status=422)
    if is_program:
        return HttpResponse(status=204)
    return redirect(target if url_has_allowed_host_and_scheme(target, None) else "home")


def _secret(request: SignedInRequest) -> Secret:
    typed = request.POST.get("secret", "")
    try:
        return passkey_forms.secret_of(request, UNLOCK, request.user, typed)
    except PasskeyError:
        lock.record_failure(request.user)
        raise


@allow(Role.RADIOLOGIST)
@require_POST
def passkey_options(request: SignedInRequest) -> HttpResponse:
    """The options for the browser to request the passkey that unlocks the session."""
    return passkey_forms.options_for(request, UNLOCK, request.user)
