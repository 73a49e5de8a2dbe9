"""Idle lock: pages of an idle session are covered, and the portal refuses its requests.

The browser detects inactivity (frontend/src/lock.ts) and reports it. From then on every request of
the session, from any tab, gets only the unlock page. Input stays in the page; running uploads
continue.
"""

from collections.abc import Callable

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.accounts.services import AccountError, PasswordUncheckedError
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.review.reads import authentication

LOCKED = "is_locked"
# URLs that never use a session, or must not: see skip_auth_for_health.
WITHOUT_SESSION = ("/health/", "/static/", "/metrics")


@transaction.atomic
def lock(session: SessionBase, person: User) -> None:
    """Lock a session; the next signature in it requires the password again."""
    if session.get(LOCKED):
        return
    session[LOCKED] = True
    authentication.end_series(session)
    append(Event(Action.SESSION_LOCKED, "user", person.pk), person)


def unlock(session: SessionBase, person: User, secret: authentication.Secret) -> None:
    """Unlock a session with its user's password, signing PIN or passkey.

    Raises AccountError if it is wrong, PasswordUncheckedError if it was not checked.
    """
    try:
        authentication.confirm_signer(person, secret, pin_is_open=authentication.is_pin_offered())
    except PasswordUncheckedError:
        raise
    except AccountError:
        record_failure(person)
        raise
    session.pop(LOCKED, None)
    append(Event(Action.SESSION_UNLOCKED, "user", person.pk), person)


def record_failure(person: User) -> None:
    """Append that unlocking failed."""
    append(Event(Action.UNLOCK_FAILED, "user", person.pk), person)


def refuse_while_locked(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Respond to a locked session with the unlock page; scripts get 423."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(WITHOUT_SESSION) or not request.session.get(LOCKED):
            return get_response(request)
        if _is_open_to_locked(request):
            return get_response(request)
        is_page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if is_page and "HX-Request" not in request.headers:
            context = {"next": request.get_full_path()}
            return render(request, "review/session/locked.html", context, status=423)
        return JsonResponse({"detail": _("This session is locked.")}, status=423)

    return middleware


def _is_open_to_locked(request: HttpRequest) -> bool:
    ways_out = (
        "review:unlock",
        "review:unlock-passkey",
        "review:lock",
        "accounts:sign-out",
        "accounts:sign-in",
    )
    if request.path in (*(reverse(name) for name in ways_out), reverse("set-language")):
        return True
    # An overnight upload must not stop because nobody touches the mouse.
    return request.method != "GET" and request.path.startswith("/uploads/")
