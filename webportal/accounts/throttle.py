"""Throttling of password guesses.

Attempts are counted in the database, because several portals may share it. A name is kept only as
a keyed hash: people type a password into the name field now and then. Unknown names are counted
like known ones, so that nothing shows which names exist. Signing in and confirming who one is
while signed in are counted apart.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext, gettext_noop

from webportal.accounts.models import PasswordAttempt

MOST_FAILURES = 10
WINDOW = timedelta(minutes=10)
ADVICE = gettext_noop(
    "Too many wrong passwords for this name. Wait ten minutes, or ask hospital IT for a new "
    "one-time password."
)


class Purpose(StrEnum):
    """What a password was typed for."""

    SIGN_IN = "sign in"
    CONFIRM = "confirm"


class TooManyAttemptsError(Exception):
    """So many passwords were wrong that even the right one is refused for a while."""

    def __init__(self) -> None:
        super().__init__(gettext(ADVICE))


def begin(username: str, purpose: Purpose) -> None:
    """Count an attempt before its password is checked.

    Raises TooManyAttemptsError when the name has used up its attempts; that one does not count, so
    that a name opens again even while somebody keeps trying.
    """
    PasswordAttempt.objects.filter(at__lt=_window_start()).delete()
    attempt = PasswordAttempt.objects.create(
        name_digest=_digest(username, purpose), at=timezone.now()
    )
    if _recent(username, purpose) > MOST_FAILURES:
        attempt.delete()
        raise TooManyAttemptsError


def forget(username: str, purpose: Purpose) -> None:
    """Start anew: the password was right, or there is a new one."""
    PasswordAttempt.objects.filter(name_digest=_digest(username, purpose)).delete()


def is_exhausted(username: str, purpose: Purpose) -> bool:
    """Whether the next attempt with this name would be refused."""
    return _recent(username, purpose) >= MOST_FAILURES


def _recent(username: str, purpose: Purpose) -> int:
    return PasswordAttempt.objects.filter(
        name_digest=_digest(username, purpose), at__gte=_window_start()
    ).count()


def _window_start() -> datetime:
    return timezone.now() - WINDOW


def _digest(username: str, purpose: Purpose) -> str:
    return salted_hmac(f"password attempts to {purpose}", username, algorithm="sha256").hexdigest()
