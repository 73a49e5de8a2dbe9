"""Sessions started through the identity provider: refreshing them.

Every GROUP_REFRESH_MINUTES the next request fetches the user's current claims with the refresh
token. Roles of groups that were removed end then, as does the session of a user whom the provider
no longer knows. Without refresh tokens, such changes take effect at the next sign-in, or through
back-channel logout. While the provider is unavailable, sessions continue.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from webportal.accounts import sessions
from webportal.accounts.encryption import UnreadableSecretError, decrypt, encrypt
from webportal.accounts.federation import FederatedRefusal, RefusedByProviderError
from webportal.accounts.models import Session, User
from webportal.accounts.oidc import people, provider
from webportal.accounts.provider_sessions import PROVIDER
from webportal.accounts.turns import BusyError, Turns
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

RETRY_SECONDS = 60
#: A provider that does not respond holds up only this many requests, and is then left alone for
#: RETRY_SECONDS.
turns = Turns(max(1, settings.PORTAL_THREADS // 4), patience_seconds=2)
_silent_until = 0.0

logger = logging.getLogger(__name__)


def session_data(verified: provider.VerifiedClaims) -> dict[str, Any]:
    """What a session here keeps about the one at the provider."""
    return {
        "sub": str(verified.claims["sub"]),
        "sid": str(verified.claims.get("sid", "")),
        "refresh": encrypt(verified.refresh_token) if verified.refresh_token else "",
        "due": time.time() + settings.GROUP_REFRESH_MINUTES * 60,
    }


def refresh_claims_when_due(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Fetch the user's current claims from the provider when a refresh is due."""

    def middleware(request: HttpRequest) -> HttpResponse:
        # Health checks have no session, and these URLs load none.
        if not request.path.startswith(("/health/", "/static/", "/metrics")):
            noted = request.session.get(sessions.FEDERATED)
            if noted and noted["refresh"] and noted["due"] <= time.time():
                _refresh_claims(request)
        return get_response(request)

    return middleware


def _refresh_claims(request: HttpRequest) -> None:
    # Here, because this is in the middleware of portals that have no provider, too.
    from webportal.accounts.oidc import client

    global _silent_until
    user = request.user
    if not isinstance(user, User) or time.monotonic() < _silent_until:
        return
    noted = _take_turn(request.session)
    if noted is None:
        return
    try:
        with turns.take():
            verified = client.refreshed_claims(noted["sub"], decrypt(noted["refresh"]))
        people.update_roles(user, verified.claims)
    except provider.ProviderUnreachableError:
        _silent_until = time.monotonic() + RETRY_SECONDS
        logger.warning("the identity provider does not respond; sessions continue meanwhile")
        return
    except BusyError:
        return
    except (RefusedByProviderError, FederatedRefusal, UnreadableSecretError):
        detail = {"identity_provider": True}
        append(Event(Action.SIGNED_OUT, "user", user.pk, detail=detail), PROVIDER)
        request.session.flush()
        request.user = AnonymousUser()
        return
    due = time.time() + settings.GROUP_REFRESH_MINUTES * 60
    noted |= {"refresh": encrypt(verified.refresh_token), "due": due}
    request.session[sessions.FEDERATED] = noted
    # At once: a response that is an error would leave the former token, which may be single-use.
    with suppress(UpdateError):  # ended meanwhile, which Django's middleware answers
        request.session.save()


@transaction.atomic
def _take_turn(session: SessionBase) -> dict[str, Any] | None:
    """The stored state, for one of several concurrent requests.

    A refresh token may be single-use.
    """
    row = Session.objects.select_for_update().filter(pk=session.session_key).first()
    noted: dict[str, Any] | None = row.get_decoded().get(sessions.FEDERATED) if row else None
    if noted is None or noted["due"] > time.time():
        return None
    noted["due"] = time.time() + RETRY_SECONDS
    session[sessions.FEDERATED] = noted
    session.save()
    return noted


def callback_address(request: HttpRequest) -> str:
    """The redirect URI; to be registered at the provider."""
    return request.build_absolute_uri(reverse("accounts:oidc-callback"))
