"""What the identity provider says of a user, and why it says nothing; `client` asks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings


class ProviderUnreachableError(Exception):
    """The identity provider did not respond, or sent something other than a valid response."""


class RefusedByProviderError(Exception):
    """The identity provider refused, or its response is invalid."""


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
