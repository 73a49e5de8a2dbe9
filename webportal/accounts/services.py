"""Creating and changing users, with their audit entries."""

import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts import providers, role_requests, separation, sessions, throttle
from webportal.accounts.departments import memberships_of
from webportal.accounts.devices import forget_devices
from webportal.accounts.directory import passwords
from webportal.accounts.directory.connection import DirectoryUnreachableError
from webportal.accounts.directory.passwords import is_of_directory
from webportal.accounts.models import ApiToken, Department, Role, TokenScope, User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append, append_all
from webportal.refusals import Conflict

USUAL_TOKEN_DAYS = 90
#: Somebody else has set a one-time password for the user (`user`); sent within the transaction.
password_reset = Signal()
#: A user's second factor (`user`) was changed, by `what`: added, removed, reset.
second_factor_changed = Signal()
# Without similar-looking characters, because people copy a one-time password by hand.
_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class AccountError(Conflict):
    """The change to an account is not allowed; the message says why and what to do."""


class PasswordUncheckedError(AccountError):
    """A password was neither right nor wrong: the directory could not be asked."""

    code = "directory_unreachable"
    status = DirectoryUnreachableError.status
    retry_seconds = DirectoryUnreachableError.retry_seconds


def one_time_password() -> str:
    """A random password of 16 characters, about 92 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


def remember_language(user: User, language: str | None) -> None:
    """Store the language chosen on the page; unsupported ones are ignored."""
    if language in dict(settings.LANGUAGES) and language != user.language:
        user.language = language
        user.save(update_fields=["language"])


@transaction.atomic
def create_user(
    username: str,
    full_name: str,
    roles: list[str],
    by: User | None,
    departments: Collection[Department] = (),
) -> tuple[User, str]:
    """Create a user with a one-time password; return both. The password is shown once.

    While there is only one department, everybody belongs to it. Roles that a second administrator
    has to approve are requested (webportal.accounts.role_requests).

    Raises AccountError if the name is taken, ignoring case, and for roles that may not be combined.
    The first administrator's password, without `by`, does not expire, because nobody could set
    another one.
    """
    waiting: list[str] = []
    if by is not None:
        refuse_conflict(roles)
        waiting = role_requests.to_approve(roles, held=())
    password = one_time_password()
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                username,
                password,
                sorted(set(roles) - set(waiting)),
                full_name=full_name,
                must_change_password=True,
                one_time_password_until=None if by is None else _one_time_end(),
            )
    except IntegrityError as error:
        if not User.objects.filter(username__iexact=username).exists():
            raise
        raise AccountError(_("There is already a user of that name.")) from error
    user.departments.add(*departments)
    detail = {"roles": user.roles, "active": user.is_active} | memberships_of(user)
    events = [Event(Action.USER_CREATED, "user", user.pk, detail=detail)]
    if by is not None and waiting:
        events += role_requests.request(user, waiting, by)
    append_all(events, by)
    return user, password


@transaction.atomic
def create_node_account(ae_title: str, description: str, by: User) -> User:
    """Create the account that represents a DICOM node; nobody can sign in with it.

    User names of people have no colon. Raises IntegrityError if there is one with this AE title,
    ignoring case.
    """
    user = User.objects.create_user(
        f"dicom:{ae_title}", None, [], full_name=_node_name(ae_title, description), is_node=True
    )
    detail = {"roles": [], "active": user.is_active, "node": ae_title}
    append(Event(Action.USER_CREATED, "user", user.pk, detail=detail), by)
    return user


def create_order_account(name: str, by: User) -> User:
    """Create the account of a system that sends orders, with which nobody can sign in either."""
    user = User.objects.create_user(f"hl7:{name}", None, [], full_name=name, is_node=True)
    detail = {"roles": [], "active": user.is_active, "order_source": name}
    append(Event(Action.USER_CREATED, "user", user.pk, detail=detail), by)
    return user


def describe_node_account(account: User, ae_title: str, description: str) -> None:
    """Update the name of a node's account from the node's description."""
    account.full_name = _node_name(ae_title, description)
    account.save(update_fields=["full_name"])


def _node_name(ae_title: str, description: str) -> str:
    return f"{ae_title} ({description})" if description else ae_title


@transaction.atomic
def change_user(user: User, *, roles: list[str] | None, is_active: bool | None, by: User) -> None:
    """Change a user's roles and whether they may sign in; deactivation also revokes their tokens.

    None leaves either as it is, whatever a colleague changes at the same moment. Roles that a
    second administrator has to approve are requested, also those that the user still holds when
    they are reactivated.

    Raises AccountError if members of IT would lock themselves out or assign a role to themselves,
    and for roles that may not be combined; PermissionDenied if `by` no longer has the role IT.
    """
    # Serialises members of IT who deactivate each other at the same moment. Others may still refer
    # to them: whoever requests roles meanwhile notifies all administrators.
    rows = User.objects.select_for_update(no_key=True)
    locked = rows.filter(pk__in=[user.pk, by.pk]).order_by("pk")
    people = {person.pk: person for person in locked}
    acting, user = people[by.pk], people[user.pk]
    roles = sorted(user.roles if roles is None else roles)
    is_active = user.is_active if is_active is None else is_active
    if not (acting.is_active and acting.has_role(Role.IT)):
        raise PermissionDenied
    if user == acting and not (is_active and Role.IT in roles):
        raise AccountError(_("Ask another member of IT: nobody can lock themselves out."))
    if (user.roles, user.is_active) == (roles, is_active):
        return
    if set(roles) - set(user.roles):
        if user == acting and separation.is_enforced():
            raise AccountError(
                _("Ask another member of IT: nobody can assign roles to themselves.")
            )
        refuse_conflict(roles)
    # The account of somebody who had left may since have come into other hands.
    is_back = is_active and not user.is_active
    waiting = role_requests.to_approve(roles, held=() if is_back else user.roles)
    if waiting and not is_active:
        raise AccountError(_("A person who may not sign in cannot be given these roles."))
    events = _set_access(user, sorted(set(roles) - set(waiting)), is_active)
    if waiting:
        events += role_requests.request(user, waiting, by)
    if not is_active:
        events += role_requests.withdraw_of(user, by)
        sessions.end_all(user)
        revoke_all_tokens(user, by)
    append_all(events, by)


def _set_access(user: User, roles: list[str], is_active: bool) -> list[Event]:
    """Set what a user may do; return the entry to append, if it changes anything."""
    if (user.roles, user.is_active) == (roles, is_active):
        return []
    detail = {
        "roles": {"from": user.roles, "to": roles},
        "active": {"from": user.is_active, "to": is_active},
    }
    user.roles, user.is_active = roles, is_active
    user.save(update_fields=["roles", "is_active"])
    return [Event(Action.USER_CHANGED, "user", user.pk, detail=detail)]


@transaction.atomic
def reset_password(user: User, by: User) -> str:
    """Set a new one-time password for a user and return it; sessions and tokens end.

    The user is notified (`password_reset`), so that nobody takes over their account unnoticed.
    Raises AccountError for one's own account, if `by` has just reset the user's second factor, for
    passwords that are not kept here, and for users of the identity provider.
    """
    if user == by:
        raise AccountError(_("Choose a new password in the menu under your name, top right."))
    _refuse_password(user)
    if providers.is_of_provider(user) and user.username not in settings.BREAK_GLASS_USERS:
        raise AccountError(
            _("This person signs in with {name}, and with no other password.").format(
                name=providers.name()
            )
        )
    refuse_takeover(user, by, Action.FACTORS_RESET)
    password = one_time_password()
    user.set_password(password)
    user.must_change_password = True
    user.one_time_password_until = _one_time_end()
    user.save(update_fields=["password", "must_change_password", "one_time_password_until"])
    throttle.forget(user.username)
    forget_devices(user)
    sessions.end_all(user)
    revoke_all_tokens(user, by)
    password_reset.send(sender=User, user=user)
    append(Event(Action.PASSWORD_CHANGED, "user", user.pk, detail={"one_time": True}), by)
    return password


def _one_time_end() -> datetime:
    return timezone.now() + timedelta(hours=settings.ONE_TIME_PASSWORD_HOURS)


def refuse_conflict(roles: Collection[str]) -> None:
    """Raise AccountError for roles that may not be combined, where that is enforced."""
    found = separation.conflict(roles)
    if found and separation.is_enforced():
        first, second = (str(role.label) for role in found)
        raise AccountError(
            _(
                "The roles {first} and {second} may not be combined. Remove one of them, or "
                "give the person a second account."
            ).format(first=first, second=second)
        )


@transaction.atomic
def change_own_password(user: User, password: str) -> None:
    """Set a password chosen by the user; other sessions and all API tokens end.

    Raises ValidationError when it is too weak, and AccountError if it is not kept here.
    """
    _refuse_password(user)
    validate_password(password, user)
    user.set_password(password)
    user.must_change_password = False
    user.one_time_password_until = None
    user.save(update_fields=["password", "must_change_password", "one_time_password_until"])
    sessions.end_all(user)
    revoke_all_tokens(user, user)
    append(Event(Action.PASSWORD_CHANGED, "user", user.pk), user)


@transaction.atomic
def remove_password(user: User, by: str) -> None:
    """Leave the user without a password here; another system, `by`, checks theirs from now on."""
    if not user.has_usable_password():
        return
    user.set_unusable_password()
    user.must_change_password = False
    user.one_time_password_until = None
    user.save(update_fields=["password", "must_change_password", "one_time_password_until"])
    sessions.end_all(user)
    revoke_all_tokens(user, by)
    append(Event(Action.PASSWORD_CHANGED, "user", user.pk, detail={"removed": True}), by)


def _refuse_password(user: User) -> None:
    if is_of_directory(user):
        raise AccountError(
            _("This password is kept in the hospital’s user directory. Change it there.")
        )


def confirm_password(user: User, password: str) -> None:
    """Confirm the signed-in person's identity, for example before a signature.

    Raises AccountError if the password is wrong, or after too many failures. Failures at the
    sign-in page do not count here: anybody can cause those, and they must keep nobody from signing.
    """
    confirm(user, lambda: passwords.is_right(user, password), _("That is not your password."))


def confirm(user: User, is_right: Callable[[], bool], if_wrong: str) -> None:
    """Like `confirm_password`, with any check of a secret, subject to throttling.

    `if_wrong` is the message for a wrong secret. Raises PasswordUncheckedError, an AccountError,
    while the directory does not respond.
    """
    attempt = throttle.confirmation_attempt(user.username)
    try:
        attempt.begin()
    except throttle.TooManyAttemptsError as error:
        raise AccountError(str(error)) from error
    try:
        right = is_right()
    except DirectoryUnreachableError as error:
        attempt.withdraw()
        raise PasswordUncheckedError(str(error)) from error
    if not right:
        raise AccountError(if_wrong)
    attempt.succeed()


@transaction.atomic
def create_token(
    user: User, name: str, days: int = USUAL_TOKEN_DAYS, scope: str = TokenScope.ALL
) -> str:
    """Create an API token for this user; the token itself is returned once and never stored.

    `name` says which program uses it; it expires after `days`. Raises AccountError if the user has
    as many as allowed. The caller has authenticated the user.
    """
    # Of two concurrent requests, the second counts the first one's token.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    tokens = ApiToken.objects.filter(user=user)
    tokens.filter(expiry__lte=timezone.now()).delete()
    if tokens.count() >= settings.API_TOKENS_PER_PERSON:
        raise AccountError(
            _("You have {count} API tokens, the maximum. Revoke one first.").format(
                count=settings.API_TOKENS_PER_PERSON
            )
        )
    days = min(days, settings.API_TOKEN_DAYS)
    token, secret = ApiToken.objects.create(
        user, expiry=timedelta(days=days), name=name, scope=scope
    )
    detail = {"name": name, "days": days, "scope": scope}
    append(Event(Action.TOKEN_CREATED, "token", token.token_key, detail=detail), user)
    return str(secret)


@transaction.atomic
def sign_out_everywhere(user: User) -> None:
    """End all sessions of the user, and forget their browsers. Tokens remain valid."""
    count = sessions.end_all(user)
    forget_devices(user)
    detail = {"everywhere": True, "sessions": count}
    append(Event(Action.SIGNED_OUT, "user", user.pk, detail=detail), user)


@transaction.atomic
def end_session(user: User, session_id: str) -> None:
    """End one of the user's other sessions."""
    if sessions.end(user, session_id):
        append(Event(Action.SIGNED_OUT, "user", user.pk, detail={"elsewhere": True}), user)


@transaction.atomic
def end_all_access() -> None:
    """End all sessions and API tokens of all users, as after restoring a backup."""
    sessions.end_everybodys()
    for token in ApiToken.objects.all():
        revoke_token(token, None)


@transaction.atomic
def revoke_token(token: ApiToken, by: User | str | None) -> None:
    """Revoke an API token; `by` is a name for another system, None for this one."""
    append(Event(Action.TOKEN_REVOKED, "token", token.token_key), by)
    token.delete()


def revoke_all_tokens(user: User, by: User | str) -> None:
    """Revoke every API token of this user."""
    for token in ApiToken.objects.filter(user=user):
        revoke_token(token, by)


def refuse_takeover(user: User, by: User, other: Action) -> None:
    """Raise AccountError if `by` may have just done the other half of taking over this account.

    A single administrator is exempt (webportal.accounts.separation).
    """
    recent = AuditEntry.objects.filter(
        action=other, object_id=str(user.pk), at__gte=timezone.now() - separation.APART
    )
    # The owner may have changed their password meanwhile.
    actors = set(recent.exclude(actor_id=user.pk).values_list("actor_id", flat=True))
    if separation.is_enforced() and any(
        separation.may_be_one(by.pk, actor) for actor in actors if actor
    ):
        raise AccountError(
            _(
                "Ask another member of IT. Anyone who both gives a one-time password and resets"
                " the second factor within three days could sign in as this person. A colleague"
                " whose own account you created or reset within these days does not count as"
                " another."
            )
        )
