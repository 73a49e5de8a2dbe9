"""Idle lock: pages of an idle session are covered, and the portal refuses its requests.

The browser detects inactivity (frontend/src/lock.ts) and reports it. From then on every request of
the session, from any tab, gets only the unlock page. Input stays in the page; running uploads
continue.

While somebody uses a page, the browser says so twice a minute. Where it has said nothing for as
long, no page is open that could report inactivity, and the portal locks the session by itself. What
pages ask for or send by themselves is no use by a person.
"""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from webportal.accounts import locking, provider_sessions, sessions
from webportal.accounts.models import User
from webportal.accounts.services import AccountError, PasswordUncheckedError
from webportal.review.reads import authentication

# URLs that never use a session, or must not: see skip_auth_for_health.
WITHOUT_SESSION = ("/health/", "/static/", "/metrics")
# An open page may say late that it is in use: it has a slow line, or the portal is starting.
LATE = timedelta(minutes=1)
WAYS_OUT = (
    "lock",
    "unlock",
    "unlock-passkey",
    "set-language",
    "accounts:sign-out",
    "accounts:sign-in",
    # Who has no password here authenticates at the identity provider.
    "accounts:oidc",
    "accounts:oidc-callback",
    "accounts:saml",
    "accounts:saml-acs",
    # An overnight upload must not stop because nobody touches the mouse.
    "intake:upload",
)


def unlock(request: HttpRequest, person: User, secret: authentication.Secret) -> None:
    """Unlock the session with its user's password, signing PIN or passkey.

    Raises AccountError if it is wrong, PasswordUncheckedError if it was not checked.
    """
    try:
        authentication.confirm_signer(person, secret, pin_is_open=authentication.is_pin_offered())
    except PasswordUncheckedError:
        raise
    except AccountError:
        locking.record_failure(person)
        raise
    locking.unlock(request.session, person)


def refuse_while_locked(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Respond to a locked session with the unlock page; scripts get 423."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(WITHOUT_SESSION) or not _is_locked(request):
            return get_response(request)
        if _is_way_out(request):
            return get_response(request)
        response = _refuse(request)
        provider_sessions.note_locked(response)
        return response

    return middleware


def _refuse(request: HttpRequest) -> HttpResponse:
    if not _is_for_person(request):
        return JsonResponse({"detail": _("This session is locked.")}, status=423)
    is_form = request.method not in ("GET", "HEAD")
    context = {"next": "" if is_form else request.get_full_path(), "is_form": is_form}
    return render(request, "lock/locked.html", context, status=423)


def lock_seconds() -> int:
    """After how many seconds without input a page is covered; 0 for never."""
    minutes: float = settings.SESSION_LOCK_MINUTES
    return round(minutes * 60)


def _is_locked(request: HttpRequest) -> bool:
    person = request.user
    standing = locking.standing_of(request.session) if isinstance(person, User) else None
    if standing is None or standing.is_locked:
        return standing is not None
    assert isinstance(person, User)
    # The release before this one kept the lock among the data.
    if request.session.pop("is_locked", False):
        return locking.lock(request.session, person)
    if settings.SESSION_LOCK_MINUTES <= 0:
        return False
    period = timedelta(minutes=settings.SESSION_LOCK_MINUTES) + LATE
    if standing.is_unused(period):
        return locking.lock(request.session, person, unused_for=period)
    if _is_for_person(request):
        sessions.note_use(request.session)
    return False


def _is_for_person(request: HttpRequest) -> bool:
    """Whether a browser opens a page or sends a form, rather than a script of the page."""
    return "text/html" in request.headers.get("Accept", "") and "HX-Request" not in request.headers


def _is_way_out(request: HttpRequest) -> bool:
    try:
        return resolve(request.path_info).view_name in WAYS_OUT
    except Resolver404:
        return False
