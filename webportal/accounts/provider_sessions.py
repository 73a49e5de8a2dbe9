"""Sessions that an identity provider starts and ends, by OpenID Connect and by SAML alike."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from webportal.access.shown import sign_in_tried
from webportal.accounts import confirmation, locking, providers, services, sessions
from webportal.accounts.devices import remember_device
from webportal.accounts.federation import FederatedRefusal, RefusedByProviderError
from webportal.accounts.models import FederatedIdentity, UsedLogoutToken, User
from webportal.accounts.sign_in import BACKEND, safe_target, set_sign_in_details
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.client_address import client_address, network_of
from webportal.logs import warn_of
from webportal.minute_counter import MinuteCounter

logger = logging.getLogger(__name__)

#: The actor in the audit trail for changes that the provider causes.
PROVIDER = "identity provider"
NOT_SIGNED_IN = gettext_lazy("The identity provider did not sign you in. Try again.")
ENTRIES_A_MINUTE = 60
# Of a browser in which a session was locked, and has not been unlocked.
_LEFT_LOCKED = "chestline_left_locked"
# The longest that browsers keep a cookie: a provider may know one beyond the end of our sessions.
_LEFT_LOCKED_SECONDS = 400 * 24 * 3600
_failures = MinuteCounter()


@dataclass(frozen=True)
class ProviderSignIn:
    """A sign-in that a provider has vouched for."""

    user: User
    #: What our session keeps about the provider's.
    session_data: dict[str, Any]
    #: When the provider authenticated the person, in Unix time by its clock; 0 if not stated.
    authenticated_at: float


def note_locked(response: HttpResponse) -> None:
    """Note in the browser that a session is locked in it.

    If it is signed out or ends, the provider may still know whoever left it, and sign in anybody
    else as them.
    """
    if providers.name():
        response.set_cookie(
            _LEFT_LOCKED,
            "yes",
            max_age=_LEFT_LOCKED_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
            path=settings.SESSION_COOKIE_PATH,
        )


def was_left_locked(request: HttpRequest) -> bool:
    """Whether a session was locked in this browser, and has not been unlocked."""
    return bool(request.COOKIES.get(_LEFT_LOCKED))


def note_unlocked(response: HttpResponse) -> None:
    """Note in the browser that somebody has proved who they are."""
    response.delete_cookie(_LEFT_LOCKED, path=settings.SESSION_COOKIE_PATH)


def begin(
    request: HttpRequest,
    read: Callable[[], ProviderSignIn],
    target: str,
    *,
    reauthenticated: bool,
    was_locked: bool,
    left_locked: bool,
) -> HttpResponse:
    """Sign in the person whom the provider has identified, and redirect them to `target`.

    `read` verifies the provider's response; a sign-in that it refuses is recorded, and the person
    is told why. If the provider relied on an earlier sign-in instead of authenticating the person
    just now, this session may not change second factors: somebody else may be using the browser.
    `reauthenticated` means that the person was signed in here already, and that the provider was
    told to authenticate them again. `was_locked` means that their session was locked: it is
    unlocked only if the provider has authenticated them just now. So it is with `left_locked`, if
    the provider says when it has authenticated them: a locked session was signed out before.
    """
    try:
        signed_in = read()
    except RefusedByProviderError as error:
        warn_of(logger, request, "sign-in by the identity provider refused: %r", str(error))
        return _refuse(request, str(NOT_SIGNED_IN))
    except FederatedRefusal as refusal:
        return _refuse(request, str(refusal))
    except ValidationError as error:
        return _refuse(request, " ".join(error.messages))
    user, at = signed_in.user, signed_in.authenticated_at
    set_sign_in_details(request, identity_provider=True)
    login(request, user, BACKEND)
    request.session[sessions.FEDERATED] = signed_in.session_data
    confirmation.withdraw_if_old(request.session, at, was_asked=reauthenticated)
    is_confirmed = confirmation.is_confirmed(request.session)
    if was_locked and is_confirmed:
        locking.unlock(request.session, user)
    elif was_locked or (left_locked and at > 0 and not is_confirmed):
        locking.lock(request.session, user)
    if confirmation.is_unproven(request.session):
        # It says so, and what to do.
        target = reverse("accounts:confirm")
    response = HttpResponseRedirect(safe_target(request, target))
    remember_device(request, response, user)
    if left_locked and is_confirmed:
        note_unlocked(response)
    return response


def _refuse(request: HttpRequest, error: str) -> HttpResponse:
    """Record a failed sign-in that was started here, and show why it failed.

    Anybody can start one and let it fail, as often as they like. Without a session, a network can
    therefore add at most ENTRIES_A_MINUTE to the trail, the last of which states that there were
    more.
    """
    sign_in_tried(request, PROVIDER)
    count = 0 if request.user.is_authenticated else _failures.count(_network(request))
    if count <= ENTRIES_A_MINUTE:
        detail: dict[str, Any] = {"identity_provider": True}
        if count == ENTRIES_A_MINUTE:
            detail["more_this_minute"] = "not recorded"
        append(Event(Action.SIGN_IN_FAILED, "user", "", detail=detail), PROVIDER)
    return show_refusal(request, error)


def _network(request: HttpRequest) -> str:
    return network_of(client_address(request))


def show_refusal(request: HttpRequest, error: str, status: int = 422) -> HttpResponse:
    """Say why nobody was signed in or out, without recording it."""
    return render(request, "accounts/sign_in_refused.html", {"error": error}, status=status)


def owner_of(issuer: str, subject: str) -> User | None:
    """The user with this subject at the provider; None if they have never signed in here."""
    named = FederatedIdentity.objects.filter(issuer=issuer, subject=subject)
    identity = named.select_related("user").first()
    return identity.user if identity else None


def end(sid: str, owner: User | None) -> None:
    """End our sessions that belong to a session of the provider's; only this owner's, if given."""
    for user in sessions.end_federated(sid, owner):
        detail = {"identity_provider": True}
        append(Event(Action.SIGNED_OUT, "user", user.pk, detail=detail), PROVIDER)


def end_all(owner: User) -> None:
    """End all of a user's sessions, and revoke their API tokens."""
    detail = {"identity_provider": True, "sessions": sessions.end_all(owner)}
    append(Event(Action.SIGNED_OUT, "user", owner.pk, detail=detail), PROVIDER)
    services.revoke_all_tokens(owner, PROVIDER)


def use_once(key: str, until: datetime) -> bool:
    """Whether a message of the provider's is used for the first time.

    It is remembered until a time after which it would be refused anyway.
    """
    UsedLogoutToken.objects.filter(until__lt=timezone.now()).delete()
    try:
        with transaction.atomic():
            UsedLogoutToken.objects.create(jti=key, until=until)
    except IntegrityError:
        return False
    return True
