"""The client of the identity provider, and the validation of its responses.

Authlib implements the authorization code flow: state, nonce and PKCE, and the ID token's signature
with the provider's published keys and an algorithm of ALGORITHMS. Most portals have no such
provider, so this module is imported only when it is used.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.django_client import DjangoOAuth2App, OAuth
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from joserfc.errors import JoseError

from webportal.accounts.federation import RefusedByProviderError
from webportal.accounts.oidc.provider import ProviderUnreachableError, VerifiedClaims

TIMEOUT_SECONDS = 10
# Asymmetric algorithms only: neither a key shared with the client, nor none.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


def redirect_to_provider(
    request: HttpRequest, callback: str, *, reauthenticate: bool
) -> HttpResponse:
    """Redirect the browser to the provider, which redirects it back to `callback`.

    With `reauthenticate`, the provider has to authenticate the person even if they are signed in
    there, and to state when it did (OpenID Connect Core 1.0, 3.1.2.1). Raises
    ProviderUnreachableError.
    """
    options = {"prompt": "login", "max_age": "0"} if reauthenticate else {}
    try:
        response: HttpResponse = client().authorize_redirect(request, callback, **options)
    except (requests.RequestException, ValueError, RuntimeError) as error:
        raise ProviderUnreachableError from error
    return response


def claims_of_callback(request: HttpRequest) -> VerifiedClaims:
    """The provider's claims about the user whose browser it has just redirected back.

    Raises RefusedByProviderError or ProviderUnreachableError.
    """
    wanted = {
        "iss": {"essential": True, "values": [settings.OIDC_ISSUER]},
        "aud": {"essential": True, "values": [settings.OIDC_CLIENT_ID]},
    }
    try:
        token = client().authorize_access_token(request, claims_options=wanted)
        if "userinfo" not in token:
            raise RefusedByProviderError("no ID token")
        claims = dict(token["userinfo"])
        return VerifiedClaims(
            _with_userinfo(claims, token),
            token.get("refresh_token", ""),
            float(claims.get("auth_time") or 0),
        )
    except (OAuthError, JoseError) as error:
        raise RefusedByProviderError(str(error)) from error
    except (requests.RequestException, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ProviderUnreachableError from error


def refreshed_claims(subject: str, refresh_token: str) -> VerifiedClaims:
    """The provider's current claims about a user who has signed in through it.

    Raises RefusedByProviderError or ProviderUnreachableError.
    """
    try:
        token = client().fetch_access_token(grant_type="refresh_token", refresh_token=refresh_token)
        claims = _with_userinfo({"sub": subject}, token)
        return VerifiedClaims(claims, token.get("refresh_token") or refresh_token)
    except (OAuthError, JoseError) as error:
        raise RefusedByProviderError(str(error)) from error
    except requests.HTTPError as error:
        if error.response.status_code in (400, 401, 403):
            raise RefusedByProviderError(str(error)) from error
        raise ProviderUnreachableError from error
    except (requests.RequestException, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ProviderUnreachableError from error


def _with_userinfo(claims: dict[str, Any], token: Mapping[str, Any]) -> dict[str, Any]:
    """Add the user info: many providers omit groups from the ID token, and it is up to date."""
    user_info = dict(client().userinfo(token=token))
    if user_info.get("sub") != claims["sub"]:
        raise RefusedByProviderError("the user info is somebody else's")
    return claims | user_info


def client() -> DjangoOAuth2App:
    """Authlib's client for the configured provider."""
    return _client(
        settings.OIDC_ISSUER,
        settings.OIDC_CLIENT_ID,
        settings.OIDC_CLIENT_SECRET,
        " ".join(settings.OIDC_SCOPES),
    )


class _Client(DjangoOAuth2App):  # type: ignore[misc]
    """Authlib's client, which would verify ID tokens by any algorithm that the provider names."""

    def load_server_metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = super().load_server_metadata()
        offered = metadata.get("id_token_signing_alg_values_supported") or ()
        # Never empty, which would let joserfc choose.
        metadata["id_token_signing_alg_values_supported"] = [
            each for each in ALGORITHMS if each in offered
        ] or ALGORITHMS
        return metadata


@cache
def _client(issuer: str, client_id: str, secret: str, scope: str) -> DjangoOAuth2App:
    return OAuth().register(
        "hospital",
        client_cls=_Client,
        client_id=client_id,
        client_secret=secret,
        server_metadata_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": scope,
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_SECONDS,
        },
    )
