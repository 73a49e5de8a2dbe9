"""Idle lock: pages of an idle session are covered, and the portal refuses its requests.

The browser detects inactivity (frontend/src/lock.ts) and reports it. From then on every request of
the session, from any tab, gets only the unlock page. Input stays in the page; running uploads
continue.

A page that is seen asks the portal for news several times a minute. Where nothing has come for as
long, no page is open that could report it, and the portal locks the session by itself.
"""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from webportal.accounts import sessions
from webportal.accounts.models import Role, User
from webportal.accounts.services import AccountError, PasswordUncheckedError
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.review.reads import authentication

LOCKED = "is_locked"
# URLs that never use a session, or must not: see skip_auth_for_health.
WITHOUT_SESSION = ("/health/", "/static/", "/metrics")
# An open page may ask late: it has a slow line, or the portal is starting.
LATE = timedelta(minutes=1)


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
        if request.path.startswith(WITHOUT_SESSION) or not _is_locked(request):
            return get_response(request)
        if _is_open_to_locked(request):
            return get_response(request)
        is_page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if is_page and "HX-Request" not in request.headers:
            context = {"next": request.get_full_path()}
            return render(request, "review/session/locked.html", context, status=423)
        return JsonResponse({"detail": _("This session is locked.")}, status=423)

    return middleware


def _is_locked(request: HttpRequest) -> bool:
    if request.session.get(LOCKED):
        return True
    person = request.user
    if not is_locking(person) or sessions.use(request.session, _limit() + LATE):
        return False
    assert isinstance(person, User)
    lock(request.session, person)
    return True


def is_locking(person: object) -> bool:
    """Whether idle sessions of this person are locked: readers', unless hospital IT disabled it."""
    is_reader = isinstance(person, User) and person.has_role(Role.RADIOLOGIST)
    return is_reader and settings.SESSION_LOCK_MINUTES > 0


def _limit() -> timedelta:
    return timedelta(minutes=settings.SESSION_LOCK_MINUTES)


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
