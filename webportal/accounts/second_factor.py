"""The second factor: requiring, adding, removing and resetting it."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from webportal.accounts import codes, passkeys, sessions, throttle
from webportal.accounts.devices import known_device
from webportal.accounts.directory.passwords import is_of_directory
from webportal.accounts.encryption import UnreadableSecretError
from webportal.accounts.models import Authenticator, Passkey, RecoveryCode, User
from webportal.accounts.services import (
    AccountError,
    refuse_takeover,
    revoke_all_tokens,
    second_factor_changed,
)
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

APP, PASSKEY, RECOVERY_CODE = "app", "passkey", "recovery_code"


def has_one(user: User) -> bool:
    """Whether this user has a second factor."""
    return has_app(user) or user.passkeys.exists()


def has_app(user: User) -> bool:
    """Whether this user has an authenticator app."""
    return Authenticator.objects.filter(user=user).exists()


def is_required(user: User) -> bool:
    """Whether a role of this user requires a second factor.

    For users of the identity provider, who have no password here, it is responsible for that.
    """
    return user.has_role(*settings.REQUIRE_SECOND_FACTOR) and (
        user.has_usable_password() or is_of_directory(user)
    )


def is_missing(user: User) -> bool:
    """Whether this user has to add a second factor before doing anything else."""
    return is_required(user) and not has_one(user)


def use_code(request: HttpRequest, user: User, typed: str) -> str:
    """Check a code of the user's app or a recovery code; return which of them it was.

    Raises TooManyCodesError if it was not checked, and AccountError if it is wrong.
    """
    attempt = throttle.code_attempt(user.username, known_device(request, user.username))
    attempt.begin()
    code = codes.as_typed(typed)
    if codes.use_recovery_code(user, code):
        attempt.succeed()
        return RECOVERY_CODE
    try:
        is_right = codes.use_app_code(user, code)
    except UnreadableSecretError as error:
        raise AccountError(
            _(
                "The portal cannot read the secret of your app, because one of the portal’s keys"
                " was removed. Use a recovery code or a passkey, and tell hospital IT."
            )
        ) from error
    if is_right:
        attempt.succeed()
        return APP
    raise AccountError(_("That code is wrong, or was used before. Wait for the app’s next one."))


@transaction.atomic
def add_app(user: User, secret: str, typed: str) -> list[str]:
    """Add the authenticator app that holds this secret, replacing any existing one.

    Returns recovery codes if the user had none, else none. Raises AccountError if the code is not
    the app's.
    """
    step = codes.step_of(secret, codes.as_typed(typed))
    if step is None:
        raise AccountError(
            _("That is not this app’s current code. Check that the device’s clock is right.")
        )
    codes.set_app(user, secret, step)
    return _added(user, {"kind": APP})


@transaction.atomic
def add_passkey(
    request: HttpRequest, user: User, answer: Mapping[str, Any], name: str
) -> list[str]:
    """Add the passkey that the browser has created; returns like `add_app`, raises PasskeyError."""
    passkey = passkeys.finish_making(request, user, answer, name)
    return _added(user, {"kind": PASSKEY, "name": passkey.name})


def _added(user: User, detail: dict[str, str]) -> list[str]:
    append(Event(Action.FACTOR_ADDED, "user", user.pk, detail=detail), user)
    second_factor_changed.send(sender=User, user=user, what="added")
    return [] if RecoveryCode.objects.filter(user=user).exists() else make_recovery_codes(user)


@transaction.atomic
def make_recovery_codes(user: User) -> list[str]:
    """Replace the recovery codes; the previous ones become invalid."""
    append(Event(Action.RECOVERY_CODES_MADE, "user", user.pk), user)
    return codes.new_recovery_codes(user)


@transaction.atomic
def remove_app(user: User) -> None:
    """Remove the user's authenticator app; raises AccountError if one has to remain."""
    _refuse_last(user, left=user.passkeys.count())
    if Authenticator.objects.filter(user=user).delete()[0]:
        _removed(user, {"kind": APP})


@transaction.atomic
def remove_passkey(user: User, passkey: Passkey) -> None:
    """Remove one of the user's passkeys; raises AccountError if one has to remain."""
    _refuse_last(user, left=user.passkeys.count() - 1 + has_app(user))
    passkey.delete()
    _removed(user, {"kind": PASSKEY, "name": passkey.name})


def _refuse_last(user: User, left: int) -> None:
    # Of two concurrent requests, the second counts what the first has left.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not left and is_required(user):
        raise AccountError(
            _("Your role needs a second factor. Add another one before you remove this.")
        )


def _removed(user: User, detail: dict[str, str]) -> None:
    if not has_one(user):
        RecoveryCode.objects.filter(user=user).delete()
    append(Event(Action.FACTOR_REMOVED, "user", user.pk, detail=detail), user)
    second_factor_changed.send(sender=User, user=user, what="removed")


@transaction.atomic
def reset(user: User, by: User) -> None:
    """Remove the second factor of a user who has lost it; sessions and tokens end.

    The user is notified, and can still sign in with the password alone. Raises AccountError for
    one's own account, and if `by` could sign in as this user with a one-time password.
    """
    if user == by:
        raise AccountError(_("You remove your own second factor in the menu under your name."))
    refuse_takeover(user, by, Action.PASSWORD_CHANGED)
    Authenticator.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    user.passkeys.all().delete()
    sessions.end_all(user)
    revoke_all_tokens(user, by)
    append(Event(Action.FACTORS_RESET, "user", user.pk), by)
    second_factor_changed.send(sender=User, user=user, what="reset")
