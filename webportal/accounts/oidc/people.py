"""The provider's users, as their claims describe them."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from webportal.accounts import federation
from webportal.accounts.federation import IdentitySource, Person
from webportal.accounts.models import User
from webportal.accounts.provider_sessions import PROVIDER


def person_of(claims: Mapping[str, Any]) -> User:
    """The account of the provider's user, with the roles of their groups.

    Raises FederatedRefusal and ValidationError, see `federation.account_of`.
    """
    name = str(claims.get(settings.OIDC_USERNAME_CLAIM) or "")
    person = Person(
        str(claims["sub"]), name, str(claims.get("name") or ""), groups=_groups_of(claims)
    )
    return federation.account_of(person, _source())


def update_roles(user: User, claims: Mapping[str, Any]) -> None:
    """Update the user's roles from their groups; raises FederatedRefusal."""
    federation.update_roles(user, _groups_of(claims), _source())


def _source() -> IdentitySource:
    return IdentitySource(settings.OIDC_ISSUER, PROVIDER, name_from=settings.OIDC_USERNAME_CLAIM)


def _groups_of(claims: Mapping[str, Any]) -> list[str]:
    groups = claims.get(settings.OIDC_GROUPS_CLAIM) or []
    if isinstance(groups, str):
        return [groups]
    return [str(group) for group in groups] if isinstance(groups, list) else []
