"""Endpoints of the idle lock."""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from webportal.accounts import locking, passkey_forms, provider_sessions, sessions
from webportal.accounts.passkeys import PasskeyError
from webportal.accounts.roles import SignedInRequest, allow
from webportal.accounts.services import AccountError
from webportal.review.reads.authentication import Secret
from webportal.site import lock

# The purpose to which the browser's response is bound.
UNLOCK = "unlock"


@allow()
@require_POST
def note_use(request: SignedInRequest) -> HttpResponse:
    """Note that somebody uses an open page."""
    if _is_of_somebody_else(request):
        return HttpResponse(status=HTTPStatus.CONFLICT)
    sessions.note_use(request.session)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@allow()
@require_POST
def lock_session(request: SignedInRequest) -> HttpResponse:
    """Lock the session, unless hospital IT has disabled it."""
    if _is_of_somebody_else(request):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    if settings.SESSION_LOCK_MINUTES and not locking.lock(request.session, request.user):
        # It was given another key meanwhile, under which the browser tries again.
        return HttpResponse(status=HTTPStatus.CONFLICT)
    response = HttpResponse(status=HTTPStatus.NO_CONTENT)
    if settings.SESSION_LOCK_MINUTES:
        provider_sessions.note_locked(response)
    return response


@allow()
@require_POST
def unlock_session(request: SignedInRequest) -> HttpResponse:
    """Unlock it with the password, the signing PIN or a passkey.

    A covered page requests JSON and continues as it was; the unlock page
    (lock/locked.html) passes the requested URL in `next`.
    """
    is_program = "application/json" in request.headers.get("Accept", "")
    if _is_of_somebody_else(request):
        detail = _("Somebody else has signed in meanwhile.")
        return JsonResponse({"detail": detail}, status=HTTPStatus.CONFLICT)
    target = request.POST.get("next", "")
    try:
        lock.unlock(request, request.user, _secret(request))
    except (AccountError, PasskeyError) as error:
        if is_program:
            return JsonResponse({"detail": str(error)}, status=422)
        context = {"next": target, "error": str(error)}
        return render(request, "lock/locked.html", context, status=422)
    response: HttpResponse = HttpResponse(status=HTTPStatus.NO_CONTENT)
    if not is_program:
        response = redirect(target if url_has_allowed_host_and_scheme(target, None) else "home")
    provider_sessions.note_unlocked(response)
    return response


@allow()
@require_POST
def passkey_options(request: SignedInRequest) -> HttpResponse:
    """The options for the browser to request the passkey that unlocks the session."""
    return passkey_forms.options_for(request, UNLOCK, request.user)


def _is_of_somebody_else(request: SignedInRequest) -> bool:
    """Whether the page is of a person who used this browser before."""
    return request.POST.get("person", "") not in ("", str(request.user.pk))


def _secret(request: SignedInRequest) -> Secret:
    typed = request.POST.get("secret", "")
    try:
        return passkey_forms.secret_of(request, UNLOCK, request.user, typed)
    except PasskeyError:
        locking.record_failure(request.user)
        raise
