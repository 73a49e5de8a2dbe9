"""Slowing down those who guess passwords.

Attempts are counted in the database, because several portals may share it. A name is kept only as
a keyed hash: people type a password into the name field now and then. Unknown names are counted
like known ones, so that nothing shows which names exist.
"""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.crypto import salted_hmac

from webportal.accounts.models import PasswordAttempt

MOST_FAILURES = 10
WINDOW = timedelta(minutes=10)
ADVICE = (
    "Too many wrong passwords for this name. Wait ten minutes, or ask hospital IT for a new "
    "one-time password."
)


class TooManyAttemptsError(Exception):
    """So many passwords were wrong that even the right one is refused for a while."""

    def __init__(self) -> None:
        super().__init__(ADVICE)


def begin(username: str) -> None:
    """Count an attempt before its password is checked.

    Raises TooManyAttemptsError when the name has used up its attempts; that one does not count, so
    that a name opens again even while somebody keeps trying.
    """
    PasswordAttempt.objects.filter(at__lt=_window_start()).delete()
    attempt = PasswordAttempt.objects.create(name_digest=_digest(username), at=timezone.now())
    if _recent(username) > MOST_FAILURES:
        attempt.delete()
        raise TooManyAttemptsError


def forget(username: str) -> None:
    """Start anew: the password was right, or there is a new one."""
    PasswordAttempt.objects.filter(name_digest=_digest(username)).delete()


def is_exhausted(username: str) -> bool:
    """Whether the next attempt with this name would be refused."""
    return _recent(username) >= MOST_FAILURES


def _recent(username: str) -> int:
    return PasswordAttempt.objects.filter(
        name_digest=_digest(username), at__gte=_window_start()
    ).count()


def _window_start() -> datetime:
    return timezone.now() - WINDOW


def _digest(username: str) -> str:
    return salted_hmac("password attempts", username, algorithm="sha256").hexdigest()
