"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0): the provider ends sessions here.

It sends a signed logout token. With a session id (`sid`) that session ends; with only a subject
(`sub`) all sessions of that user end, and their API tokens are revoked.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from django.conf import settings
from django.db import transaction
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from webportal.accounts import provider_sessions
from webportal.accounts.oidc.client import ALGORITHMS, client

EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Maximum clock skew, and maximum age of a token.
LEEWAY_SECONDS = 120
GOOD_FOR = timedelta(minutes=10)
LONGEST_JTI = 255
_FETCH_KEYS_EVERY_SECONDS = 60
_keys_fetched_at = 0.0


class LogoutTokenError(Exception):
    """The token is invalid; the message says why, for the provider's log."""


def log_out(token: str) -> None:
    """End the sessions that the logout token names; raises LogoutTokenError."""
    claims = _checked(token)
    with transaction.atomic():
        _use_once(claims)
        owner = None
        if "sub" in claims:
            owner = provider_sessions.owner_of(settings.OIDC_ISSUER, str(claims["sub"]))
            # A user who has never signed in here has no sessions to end.
            if owner is None:
                return
        if claims.get("sid"):
            provider_sessions.end(str(claims["sid"]), owner)
        elif owner is not None:
            provider_sessions.end_all(owner)


def _checked(token: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = dict(_decoded(token).claims)
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": settings.OIDC_ISSUER},
            aud={"essential": True, "value": settings.OIDC_CLIENT_ID},
            iat={"essential": True},
            exp={"essential": True},
            jti={"essential": True},
        )
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as error:
        raise LogoutTokenError(f"not valid: {error}") from error
    except requests.RequestException as error:
        raise LogoutTokenError("the provider's keys cannot be fetched") from error
    events = claims.get("events")
    if not isinstance(events, dict) or EVENT not in events:
        raise LogoutTokenError("events does not say that it is a logout token")
    if "nonce" in claims:
        raise LogoutTokenError("an ID token is not a logout token")
    if not (claims.get("sub") or claims.get("sid")):
        raise LogoutTokenError("it names neither sub nor sid")
    # Written like this, NaN is too old as well.
    if not claims["iat"] >= time.time() - GOOD_FOR.total_seconds():
        raise LogoutTokenError("it is too old")
    if any("\0" in str(claims.get(name)) for name in ("jti", "sub", "sid")):
        raise LogoutTokenError("a claim has a character that cannot be stored")
    return claims


def _decoded(token: str) -> jwt.Token:
    keys = client().fetch_jwk_set()
    try:
        return jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)
    except InvalidKeyIdError:
        # The provider may have rotated its keys. Anybody can send an unknown key id, so fetching is
        # limited.
        global _keys_fetched_at
        if time.monotonic() - _keys_fetched_at < _FETCH_KEYS_EVERY_SECONDS:
            raise
        _keys_fetched_at = time.monotonic()
        keys = client().fetch_jwk_set(force=True)
        return jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)


def _use_once(claims: dict[str, Any]) -> None:
    try:
        until = datetime.fromtimestamp(claims["exp"] + 2 * LEEWAY_SECONDS, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise LogoutTokenError("exp is no time") from error
    jti = str(claims["jti"])
    if len(jti) > LONGEST_JTI:
        raise LogoutTokenError(f"jti is longer than {LONGEST_JTI} characters")
    if not provider_sessions.use_once(jti, until):
        raise LogoutTokenError("it was used before")
