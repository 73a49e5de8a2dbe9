"""Signing in beyond the password: the second step, and passkeys."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext

from webportal.access.shown import sign_in_tried
from webportal.accounts import providers
from webportal.accounts.devices import remember_device
from webportal.accounts.directory.passwords import is_of_directory
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.refusals import Refusal

#: The backend with which every kind of sign-in reloads the user.
BACKEND = settings.AUTHENTICATION_BACKENDS[0]
_WAITING = "second_step"
_DETAILS = "signed_in_with"
# How long after the password the second factor is accepted.
_PATIENCE_SECONDS = 600


class LocalSignInError(Refusal):
    """This user may not sign in by password or passkey."""

    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        instead = (
            gettext("Sign in with {name} instead.").format(name=providers.name())
            if providers.name()
            else gettext("Use the user name and password of your hospital account instead.")
        )
        super().__init__("local_sign_in_off", instead)


@dataclass(frozen=True)
class Waiting:
    """A user whose password was correct, and who has to show a second factor."""

    user: User
    target: str


def wait_for_second_step(request: HttpRequest, user: User, target: str) -> None:
    """Remember whose password was correct, in a session that is still anonymous."""
    request.session.cycle_key()
    until = time.time() + _PATIENCE_SECONDS
    request.session[_WAITING] = {"user": str(user.pk), "target": target, "until": until}


def waiting(request: HttpRequest) -> Waiting | None:
    """The user awaiting the second step in this session; None if expired or no longer allowed."""
    noted = request.session.get(_WAITING)
    if not noted or noted["until"] < time.time():
        return None
    user = User.objects.filter(pk=noted["user"], is_active=True).first()
    return Waiting(user, noted["target"]) if user else None


def complete(request: HttpRequest, user: User, target: str, factor: str) -> HttpResponse:
    """Sign the user in, and redirect to the page they wanted."""
    detail = _password(user) if request.session.pop(_WAITING, None) else _break_glass(user)
    set_sign_in_details(request, second_factor=factor, **detail)
    login(request, user, BACKEND)
    response = HttpResponseRedirect(safe_target(request, target))
    remember_device(request, response, user)
    return response


def record_wrong_factor(request: HttpRequest, user: User, factor: str, **why: str) -> None:
    """Record a failed second factor, or a passkey that was not accepted, in the trail."""
    sign_in_tried(request, user.username)
    detail = {"second_factor": factor, **why}
    append(Event(Action.SIGN_IN_FAILED, "user", user.pk, detail=detail), user)


def set_sign_in_details(request: HttpRequest, **detail: Any) -> None:
    """Set the details to record for the sign-in that follows."""
    request.session[_DETAILS] = detail


def record_password(request: HttpRequest, user: User) -> None:
    """Record that the sign-in that follows is by password alone."""
    set_sign_in_details(request, **_password(user))


def refuse_local(user: User) -> None:
    """Raise LocalSignInError if this user may not sign in by a local password or a passkey.

    Those of the identity provider may not: they would keep the roles of groups that they have lost,
    and come back after they have left, because it is only asked in sessions that it has started.
    """
    if user.username in settings.BREAK_GLASS_USERS:
        return
    if not settings.LOCAL_SIGN_IN or providers.is_of_provider(user):
        raise LocalSignInError


def _password(user: User) -> dict[str, Any]:
    return {"directory": True} if is_of_directory(user) else _break_glass(user)


def _break_glass(user: User) -> dict[str, Any]:
    is_exception = not settings.LOCAL_SIGN_IN and user.username in settings.BREAK_GLASS_USERS
    return {"break_glass": True} if is_exception else {}


def how(request: HttpRequest) -> dict[str, Any]:
    """The details recorded for this sign-in in addition to the user."""
    found: dict[str, Any] = request.session.pop(_DETAILS, {}) if hasattr(request, "session") else {}
    return found


def safe_target(request: HttpRequest, target: str) -> str:
    """A URL of this portal: the one requested, or the start page."""
    is_ours = url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
