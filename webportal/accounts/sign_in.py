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
from webportal.accounts.devices import remember_device
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.refusals import Refusal

#: The backend under which every way of signing in loads the person again.
BACKEND = settings.AUTHENTICATION_BACKENDS[0]
_WAITING = "second_step"
_HOW = "signed_in_with"
# So long after the password the code is still taken.
_PATIENCE_SECONDS = 600


class LocalSignInError(Refusal):
    """Passwords and passkeys sign nobody in here but those whom BREAK_GLASS_USERS names."""

    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            "local_sign_in_off",
            gettext("Sign in with {name} instead.").format(name=settings.OIDC_NAME),
        )


@dataclass(frozen=True)
class Waiting:
    """A person whose password was right, and who has to show a second factor."""

    user: User
    target: str


def wait_for_second_step(request: HttpRequest, user: User, target: str) -> None:
    """Remember whose password was right, in a session that is nobody's yet."""
    request.session.cycle_key()
    until = time.time() + _PATIENCE_SECONDS
    request.session[_WAITING] = {"user": str(user.pk), "target": target, "until": until}


def waiting(request: HttpRequest) -> Waiting | None:
    """Who is waited for in this session; None after a while, or when they may sign in no more."""
    noted = request.session.get(_WAITING)
    if not noted or noted["until"] < time.time():
        return None
    user = User.objects.filter(pk=noted["user"], is_active=True).first()
    return Waiting(user, noted["target"]) if user else None


def complete(request: HttpRequest, user: User, target: str, factor: str) -> HttpResponse:
    """Sign the person in, and lead to what they wanted to open."""
    request.session.pop(_WAITING, None)
    note_how(request, second_factor=factor, **_break_glass(user))
    login(request, user, BACKEND)
    response = HttpResponseRedirect(safe_target(request, target))
    remember_device(request, response, user)
    return response


def note_wrong_factor(request: HttpRequest, user: User, factor: str) -> None:
    """Append that a second factor was wrong, or a passkey not accepted."""
    sign_in_tried(request, user.username)
    append(Event(Action.SIGN_IN_FAILED, "user", user.pk, detail={"second_factor": factor}), user)


def note_how(request: HttpRequest, **detail: Any) -> None:
    """Note what the trail is to say of the sign-in that follows."""
    request.session[_HOW] = detail


def note_password(request: HttpRequest, user: User) -> None:
    """Note that the sign-in that follows is by the password alone."""
    note_how(request, **_break_glass(user))


def refuse_local(user: User) -> None:
    """Raise LocalSignInError where this person signs in at the identity provider alone."""
    if not settings.LOCAL_SIGN_IN and user.username not in settings.BREAK_GLASS_USERS:
        raise LocalSignInError


def _break_glass(user: User) -> dict[str, Any]:
    is_exception = not settings.LOCAL_SIGN_IN and user.username in settings.BREAK_GLASS_USERS
    return {"break_glass": True} if is_exception else {}


def how(request: HttpRequest) -> dict[str, Any]:
    """What the trail says of this sign-in beside who it was."""
    found: dict[str, Any] = request.session.pop(_HOW, {}) if hasattr(request, "session") else {}
    return found


def safe_target(request: HttpRequest, target: str) -> str:
    """An address of this portal: the one that was asked for, or the start page."""
    is_ours = url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
