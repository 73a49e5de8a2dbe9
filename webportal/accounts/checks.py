"""System checks of account settings; `manage.py prepare` and every start run them."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register

from webportal.accounts.models import Role


@register()
def roles_are_known(**kwargs: Any) -> list[Error]:
    """REQUIRE_SECOND_FACTOR names existing roles."""
    unknown = sorted(set(settings.REQUIRE_SECOND_FACTOR) - set(Role.values))
    if not unknown:
        return []
    return [
        Error(
            f"REQUIRE_SECOND_FACTOR names {', '.join(unknown)}, which is no role.",
            hint=f"The roles are {', '.join(Role.values)}.",
            id="accounts.E001",
        )
    ]


@register()
def identity_provider_is_complete(**kwargs: Any) -> list[Error]:
    """The identity provider's settings are complete and consistent."""
    found = []
    unknown = {role for roles in settings.GROUP_ROLES.values() for role in roles} - set(Role.values)
    if unknown:
        names = ", ".join(sorted(unknown))
        found.append(Error(f"GROUP_ROLES names {names}, which is no role.", id="accounts.E002"))
    if settings.OIDC_ISSUER and not (settings.OIDC_CLIENT_ID and settings.OIDC_CLIENT_SECRET):
        message = "OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET."
        found.append(Error(message, id="accounts.E003"))
    address = urlsplit(settings.OIDC_ISSUER)
    if address.scheme == "http" and address.hostname not in ("localhost", "127.0.0.1", "::1"):
        message = "OIDC_ISSUER must begin with https: whoever is between could sign in as anybody."
        found.append(Error(message, id="accounts.E004"))
    if not settings.LOCAL_SIGN_IN and not settings.OIDC_ISSUER:
        message = "LOCAL_SIGN_IN is off and OIDC_ISSUER is empty, so that nobody could sign in."
        found.append(Error(message, id="accounts.E005"))
    return found
