"""Users whom another system authenticates: their accounts, and roles from their groups.

That system is the hospital's identity provider (webportal.accounts.oidc, webportal.accounts.saml)
or its directory (webportal.accounts.directory). Once a user has signed in, they are identified by
that system's own identifier, not by the name.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts import separation, services
from webportal.accounts.departments import memberships_of, set_memberships
from webportal.accounts.models import Department, FederatedIdentity, Role, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.refusals import Refusal

logger = logging.getLogger(__name__)

LONGEST_SUBJECT = 255


class RefusedByProviderError(Exception):
    """The identity provider refused, or its message is invalid; the text is for the log."""


class FederatedRefusal(Refusal):
    """A user whom the other system knows may not sign in here; the message says why."""

    status = HTTPStatus.FORBIDDEN

    def __init__(self, message: str) -> None:
        super().__init__("provider_refused", message)


@dataclass(frozen=True)
class Person:
    """What the other system states about a user."""

    #: Identifies the user there, whatever their name.
    subject: str
    name: str
    full_name: str
    groups: Sequence[str]


@dataclass(frozen=True)
class IdentitySource:
    """The other system."""

    issuer: str
    #: The actor in the audit trail for changes that it causes.
    actor: str
    #: Whether users enter its passwords here, and have no others.
    has_passwords: bool = False
    #: The attribute with the user name there, for the refusal of a user without one.
    name_from: str = ""


def account_of(person: Person, source: IdentitySource) -> User:
    """The user's account, with the roles of their groups.

    It is found by the subject; at the first sign-in by the name, or created if CREATE_USERS allows
    it. Raises FederatedRefusal, and ValidationError if no account can have that name.
    """
    _refuse_unusable(person)
    identity = FederatedIdentity.objects.filter(issuer=source.issuer, subject=person.subject)
    found = identity.select_related("user").first()
    user = found.user if found else _first_time(person, source)
    if not user.is_active:
        raise FederatedRefusal(_("Your account is deactivated. Ask hospital IT."))
    update_roles(user, person.groups, source)
    return user


def _refuse_unusable(person: Person) -> None:
    """Refuse a user whom the database could not store, or only without an identifier."""
    texts = (person.subject, person.name, person.full_name)
    if not 0 < len(person.subject) <= LONGEST_SUBJECT or any("\0" in text for text in texts):
        raise FederatedRefusal(
            _("The identifier or name that was sent for you cannot be used. Ask hospital IT.")
        )


def update_roles(user: User, groups: Sequence[str], source: IdentitySource) -> None:
    """Replace the user's roles by those of their groups, if GROUP_ROLES is set; audited.

    Raises FederatedRefusal if no group maps to a role, the roles may not be combined, or the
    account is a break-glass account, which no other system controls.
    """
    _refuse_break_glass(user)
    FederatedIdentity.objects.filter(user=user).update(confirmed_at=timezone.now())
    _update_departments(user, groups, source)
    if not settings.GROUP_ROLES:
        return
    try:
        roles = _roles_of(groups)
    except FederatedRefusal:
        # Neither their API tokens nor other sessions keep the roles of former groups.
        _set_roles(user, [], source)
        raise
    _set_roles(user, roles, source)


def is_long_unconfirmed(user: User) -> bool:
    """Whether the identity provider has not confirmed a user for API_TOKEN_CONFIRM_DAYS.

    It is asked only while they have a session. People who have left have none, but may have API
    tokens. The directory is asked about tokens, too.
    """
    if not settings.API_TOKEN_CONFIRM_DAYS or not (settings.OIDC_ISSUER or settings.SAML_METADATA):
        return False
    since = timezone.now() - timedelta(days=settings.API_TOKEN_CONFIRM_DAYS)
    return FederatedIdentity.objects.filter(user=user, confirmed_at__lt=since).exists()


@transaction.atomic
def _set_roles(user: User, roles: list[str], source: IdentitySource) -> None:
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked.roles != roles:
        detail = {"roles": {"from": locked.roles, "to": roles}}
        locked.roles = user.roles = roles
        locked.save(update_fields=["roles"])
        append(Event(Action.USER_CHANGED, "user", user.pk, detail=detail), source.actor)


def _update_departments(user: User, groups: Sequence[str], source: IdentitySource) -> None:
    """Make the user a member of the departments of their groups, if GROUP_DEPARTMENTS is set.

    They stay head of those that hospital IT has made them head of. A name that no department has
    is ignored and logged.
    """
    if not settings.GROUP_DEPARTMENTS:
        return
    names = {name for group in groups for name in settings.GROUP_DEPARTMENTS.get(group, ())}
    wanted = {name.casefold() for name in names - {"*"}}
    found = [each for each in Department.objects.all() if each.name.casefold() in wanted]
    for missing in sorted(wanted - {each.name.casefold() for each in found}):
        logger.warning("GROUP_DEPARTMENTS names the department %s, which does not exist", missing)
    heads = [each.department for each in user.memberships.filter(is_head=True)]
    set_memberships(user, source.actor, departments=found, heads=heads, sees_all="*" in names)


def _roles_of(groups: Sequence[str]) -> list[str]:
    roles = sorted({role for group in groups for role in settings.GROUP_ROLES.get(group, ())})
    if not roles:
        raise FederatedRefusal(_("None of your groups has a role in Chestline. Ask hospital IT."))
    _refuse_conflict(roles)
    return roles


def _refuse_conflict(roles: Collection[str]) -> None:
    found = separation.conflict(roles)
    if found and separation.is_enforced():
        first, second = (str(Role(role).label) for role in found)
        raise FederatedRefusal(
            _(
                "Your groups give you the roles {first} and {second}, which may not be "
                "combined. Ask hospital IT."
            ).format(first=first, second=second)
        )


@transaction.atomic
def _first_time(person: Person, source: IdentitySource) -> User:
    if not person.name:
        raise FederatedRefusal(
            _("The identity provider sent no user name ({claim}). Ask hospital IT.").format(
                claim=source.name_from
            )
        )
    user = User.objects.filter(username__iexact=person.name).first()
    if user is None:
        user = _make(person, source)
    _refuse_break_glass(user)
    if user.is_node:
        raise FederatedRefusal(_("This account belongs to a device or a system, not to a person."))
    try:
        with transaction.atomic():
            FederatedIdentity.objects.create(
                user=user, issuer=source.issuer, subject=person.subject
            )
    except IntegrityError as error:
        raise FederatedRefusal(
            _(
                "The account {name} is linked to another user at the provider. Ask hospital IT."
            ).format(name=person.name)
        ) from error
    append(Event(Action.IDENTITY_LINKED, "user", user.pk), source.actor)
    if source.has_passwords:
        services.remove_password(user, source.actor)
    return user


def _refuse_break_glass(user: User) -> None:
    # Administrators of the other system must not be able to take over the break-glass accounts.
    if user.username in settings.BREAK_GLASS_USERS:
        raise FederatedRefusal(_("This account can only sign in with its password."))


def _make(person: Person, source: IdentitySource) -> User:
    if not settings.CREATE_USERS:
        raise FederatedRefusal(
            _("Chestline has no account {name}. Ask hospital IT to add one.").format(
                name=person.name
            )
        )
    roles = _roles_of(person.groups) if settings.GROUP_ROLES else []
    user = User(username=person.name, full_name=person.full_name, roles=roles)
    user.set_unusable_password()
    user.full_clean(exclude=["password", "roles"])
    user.save()
    user.join_only_department()
    detail = {"roles": roles, "active": True} | memberships_of(user)
    append(Event(Action.USER_CREATED, "user", user.pk, detail=detail), source.actor)
    return user
