"""The identity provider: whether there is one, and its claims about a user; see `client`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings


class ProviderUnreachableError(Exception):
    """The identity provider did not respond, or sent something other than a valid response."""


@dataclass(frozen=True)
class VerifiedClaims:
    """The provider's claims about a user, and the refresh token."""

    claims: Mapping[str, Any]
    refresh_token: str
    #: When the provider authenticated the person, perhaps for another service (Unix time); 0 if
    #: it did not state this.
    authenticated_at: float = 0.0


def is_offered() -> bool:
    """Whether an identity provider is configured."""
    return bool(settings.OIDC_ISSUER)
