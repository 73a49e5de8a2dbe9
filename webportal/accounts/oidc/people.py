"""Mapping users of the identity provider to accounts and roles.

The provider's subject, not the name, identifies a user once they have signed in.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from webportal.accounts import separation
from webportal.accounts.departments import memberships_of, set_memberships
from webportal.accounts.models import Department, FederatedIdentity, Role, User
from webportal.accounts.oidc.provider import ProviderRefusal
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

logger = logging.getLogger(__name__)

#: The actor in the trail for changes caused by groups at the provider.
PROVIDER = "identity provider"


def person_of(claims: Mapping[str, Any]) -> User:
    """The account of the provider's user, with the roles of their groups.

    It is found by the provider's subject; at the first sign-in by the name, or created if
    OIDC_CREATE_USERS allows it. Raises ProviderRefusal.
    """
    subject = str(claims["sub"])
    identity = FederatedIdentity.objects.filter(issuer=settings.OIDC_ISSUER, subject=subject)
    found = identity.select_related("user").first()
    user = found.user if found else _first_time(claims, subject)
    if not user.is_active:
        raise ProviderRefusal(_("You may not sign in any more. Ask hospital IT."))
    update_roles(user, claims)
    return user


def update_roles(user: User, claims: Mapping[str, Any]) -> None:
    """Replace the user's roles by those of their groups, if OIDC_ROLES is set; audited.

    Raises ProviderRefusal if no group maps to a role, the roles may not be combined, or the account
    is a break-glass account, which the provider does not control.
    """
    _refuse_break_glass(user)
    _update_departments(user, claims)
    if not settings.OIDC_ROLES:
        return
    try:
        roles = _roles_of(claims)
    except ProviderRefusal:
        # Neither their API tokens nor other sessions keep the roles of former groups.
        _set_roles(user, [])
        raise
    _set_roles(user, roles)


@transaction.atomic
def _set_roles(user: User, roles: list[str]) -> None:
    locked = User.objects.select_for_update().get(pk=user.pk)
    if locked.roles != roles:
        detail = {"roles": {"from": locked.roles, "to": roles}}
        locked.roles = user.roles = roles
        locked.save(update_fields=["roles"])
        append(Event(Action.USER_CHANGED, "user", user.pk, detail=detail), PROVIDER)


def _update_departments(user: User, claims: Mapping[str, Any]) -> None:
    """Let the person belong to the departments of their groups, where OIDC_DEPARTMENTS names any.

    Who is the head of one stays as hospital IT has said. A name that no department has gives
    nothing: the log says so.
    """
    if not settings.OIDC_DEPARTMENTS:
        return
    names = {
        name for group in _groups_of(claims) for name in settings.OIDC_DEPARTMENTS.get(group, ())
    }
    wanted = {name.casefold() for name in names - {"*"}}
    found = [each for each in Department.objects.all() if each.name.casefold() in wanted]
    for missing in sorted(wanted - {each.name.casefold() for each in found}):
        logger.warning("OIDC_DEPARTMENTS names the department %s, which there is not", missing)
    heads = [each.department for each in user.memberships.filter(is_head=True)]
    set_memberships(user, PROVIDER, departments=found, heads=heads, sees_all="*" in names)


def _groups_of(claims: Mapping[str, Any]) -> list[str]:
    told = claims.get(settings.OIDC_GROUPS_CLAIM) or []
    return [told] if isinstance(told, str) else [str(group) for group in told]


def _roles_of(claims: Mapping[str, Any]) -> list[str]:
    groups = _groups_of(claims)
    roles = sorted({role for group in groups for role in settings.OIDC_ROLES.get(group, ())})
    if not roles:
        raise ProviderRefusal(_("None of your groups has a role in Chestline. Ask hospital IT."))
    _refuse_conflict(roles)
    return roles


def _refuse_conflict(roles: Collection[str]) -> None:
    found = separation.conflict(roles) if separation.is_enforced() else None
    if found:
        first, second = (str(Role(role).label) for role in found)
        raise ProviderRefusal(
            _(
                "Your groups give you the roles {first} and {second}, which may not be "
                "combined. Ask hospital IT."
            ).format(first=first, second=second)
        )


@transaction.atomic
def _first_time(claims: Mapping[str, Any], subject: str) -> User:
    name = str(claims.get(settings.OIDC_USERNAME_CLAIM) or "")
    if not name:
        raise ProviderRefusal(
            _("The identity provider sent no user name ({claim}). Ask hospital IT.").format(
                claim=settings.OIDC_USERNAME_CLAIM
            )
        )
    user = User.objects.filter(username__iexact=name).first()
    if user is None:
        user = _make(name, claims)
    _refuse_break_glass(user)
    if user.is_node:
        raise ProviderRefusal(_("This account belongs to a DICOM node, not to a person."))
    try:
        with transaction.atomic():
            FederatedIdentity.objects.create(
                user=user, issuer=settings.OIDC_ISSUER, subject=subject
            )
    except IntegrityError as error:
        raise ProviderRefusal(
            _(
                "The account {name} belongs to somebody else at the provider. Ask hospital IT."
            ).format(name=name)
        ) from error
    append(Event(Action.IDENTITY_LINKED, "user", user.pk), PROVIDER)
    return user


def _refuse_break_glass(user: User) -> None:
    # The provider's administrators must not be able to take over the break-glass accounts.
    if user.username in settings.BREAK_GLASS_USERS:
        raise ProviderRefusal(_("This account signs in by its password alone."))


def _make(name: str, claims: Mapping[str, Any]) -> User:
    if not settings.OIDC_CREATE_USERS:
        raise ProviderRefusal(
            _("There is no account {name} here. Ask hospital IT to add it.").format(name=name)
        )
    roles = _roles_of(claims) if settings.OIDC_ROLES else []
    full_name = str(claims.get("name") or "")
    user = User(username=name, full_name=full_name, roles=roles)
    user.set_unusable_password()
    user.full_clean(exclude=["password", "roles"])
    user.save()
    user.join_only_department()
    detail = {"roles": roles, "active": True} | memberships_of(user)
    append(Event(Action.USER_CREATED, "user", user.pk, detail=detail), PROVIDER)
    return user
