"""Creating and changing users, with their audit entries."""

import secrets

from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from knox.models import AuthToken

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

# Without letters and digits that look alike, because people copy a one-time password by hand.
_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def one_time_password() -> str:
    """A random password of 16 characters, about 92 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


@transaction.atomic
def create_user(
    username: str, full_name: str, roles: list[str], by: User | None
) -> tuple[User, str]:
    """Create a user with a one-time password; return both. The password is shown once."""
    password = one_time_password()
    user = User.objects.create_user(
        username, password, roles, full_name=full_name, must_change_password=True
    )
    append(Event(Action.USER_CREATED, "user", user.pk, detail={"roles": user.roles}), by)
    return user, password


@transaction.atomic
def change_user(user: User, *, roles: list[str], is_active: bool, by: User) -> None:
    """Change a person's roles and whether they may sign in."""
    detail = {
        "roles": {"from": user.roles, "to": sorted(roles)},
        "active": {"from": user.is_active, "to": is_active},
    }
    user.roles, user.is_active = sorted(roles), is_active
    user.save(update_fields=["roles", "is_active"])
    append(Event(Action.USER_CHANGED, "user", user.pk, detail=detail), by)


@transaction.atomic
def reset_password(user: User, by: User) -> str:
    """Give a person a new one-time password and return it."""
    password = one_time_password()
    user.set_password(password)
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password"])
    append(Event(Action.PASSWORD_CHANGED, "user", user.pk, detail={"one_time": True}), by)
    return password


@transaction.atomic
def change_own_password(user: User, password: str) -> None:
    """Set the password that the person chose; raises ValidationError when it is too weak."""
    validate_password(password, user)
    user.set_password(password)
    user.must_change_password = False
    user.save(update_fields=["password", "must_change_password"])
    append(Event(Action.PASSWORD_CHANGED, "user", user.pk), user)


@transaction.atomic
def create_token(user: User) -> str:
    """Create an API token for this person; the token itself is returned once and never stored."""
    token, secret = AuthToken.objects.create(user)
    append(Event(Action.TOKEN_CREATED, "token", token.token_key), user)
    return str(secret)


@transaction.atomic
def revoke_token(token: AuthToken, by: User) -> None:
    """Make an API token worthless."""
    append(Event(Action.TOKEN_REVOKED, "token", token.token_key), by)
    token.delete()
