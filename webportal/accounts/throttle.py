"""Throttling of password attempts, before anything is hashed.

Wrong passwords are counted per name and address, per address, and per name. After some free ones
each count delays the next attempt, increasingly up to a limit, and never locks an account: nobody
can lock a reader out by guessing. A browser in which this person has signed in before is counted
separately (`devices.py`), so that guesses from elsewhere do not slow its owner down.

Attempts are counted in the database, because several portals may share it, and names and addresses
are kept only as keyed hashes: people sometimes type a password into the name field. Unknown names
are counted like known ones, so that nothing reveals which names exist. Confirmations while signed
in are counted separately.
"""

import math
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from django.db import connection, transaction
from django.db.models import Count, Max
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from webportal.accounts.models import PasswordAttempt
from webportal.refusals import Refusal

COUNTED_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Pace:
    """Rate of attempts: the first `free` attempts at once, later ones after growing delays."""

    free: int
    longest_seconds: int

    def seconds_after(self, failures: int) -> int:
        """The delay after that many failures: 1, 2, 4, 8 … seconds."""
        if failures < self.free:
            return 0
        return min(1 << min(failures - self.free, 12), self.longest_seconds)


ONE_PERSON = Pace(free=5, longest_seconds=60)
ONE_ADDRESS = Pace(free=50, longest_seconds=10)
ONE_NAME = Pace(free=20, longest_seconds=30)
# Three of a million codes are valid at any time, so guessing has to be slower.
ONE_CODE = Pace(free=5, longest_seconds=900)


class TooManyAttemptsError(Refusal):
    """After too many failures the next attempt has to wait, even with the correct password."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, seconds: int) -> None:
        super().__init__(
            "throttled",
            ngettext(
                "Too many wrong passwords. Wait {seconds} second, then try again.",
                "Too many wrong passwords. Wait {seconds} seconds, then try again.",
                seconds,
            ).format(seconds=seconds),
        )
        self.retry_seconds = seconds


class TooManyCodesError(TooManyAttemptsError):
    """After too many wrong codes the next one has to wait, even if it is correct."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.message = ngettext(
            "Too many wrong codes. Wait {seconds} second, or use a passkey.",
            "Too many wrong codes. Wait {seconds} seconds, or use a passkey.",
            seconds,
        ).format(seconds=seconds)


class Attempt:
    """A password attempt, with the counters it belongs to."""

    def __init__(
        self,
        username: str,
        paces: dict[str, Pace],
        error: type[TooManyAttemptsError] = TooManyAttemptsError,
    ) -> None:
        self.name = _digest(canonical(username))
        self.error = error
        # The user's own counter comes first in `paces`; the others are shared with strangers.
        self.paces = {_digest(key): pace for key, pace in paces.items()}
        self.rows: list[PasswordAttempt] = []

    def begin(self) -> None:
        """Count the attempt, before its password is checked.

        Raises TooManyAttemptsError if it comes too early; such attempts do not count, so that
        retrying does not prolong the wait.
        """
        now = timezone.now()
        PasswordAttempt.objects.filter(at__lt=now - COUNTED_FOR).delete()
        with transaction.atomic():
            # Serialise attempts per name, so that concurrent ones count each other.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(self.name[:15], 16)])
            wait = self._wait(now)
            if wait:
                raise self.error(wait)
            self.rows = PasswordAttempt.objects.bulk_create(
                PasswordAttempt(name_digest=self.name, key_digest=key, at=now) for key in self.paces
            )

    def withdraw(self) -> None:
        """Undo the attempt: its password was not checked."""
        PasswordAttempt.objects.filter(pk__in=[row.pk for row in self.rows]).delete()

    def succeed(self) -> None:
        """The password was correct: reset the user's own counter, but not the shared ones."""
        self.withdraw()
        own = next(iter(self.paces))
        PasswordAttempt.objects.filter(key_digest=own).delete()

    def _wait(self, now: datetime) -> int:
        counted = (
            PasswordAttempt.objects.filter(key_digest__in=self.paces, at__gte=now - COUNTED_FOR)
            .values_list("key_digest")
            .annotate(Count("pk"), Max("at"))
            .order_by()
        )
        waits = [0.0]
        for key, failures, last in counted:
            over = last + timedelta(seconds=self.paces[key].seconds_after(failures))
            waits.append((over - now).total_seconds())
        # Rounded up, so that waiting as long as stated is enough.
        return math.ceil(max(waits))


def canonical(username: str) -> str:
    """The name as attempts are counted: in whatever case, and however its letters are encoded.

    The hospital's directory, which may check the password, compares names like that.
    """
    return unicodedata.normalize("NFKC", username).casefold()


def sign_in_attempt(username: str, network: str, device: str) -> Attempt:
    """A sign-in from a network; `device` is '' for a browser unknown for this user."""
    username = canonical(username)
    if device:
        return Attempt(username, {f"device {device} {username}": ONE_PERSON})
    paces = {
        f"place {network} {username}": ONE_PERSON,
        f"address {network}": ONE_ADDRESS,
        f"name {username}": ONE_NAME,
    }
    return Attempt(username, paces)


def confirmation_attempt(username: str) -> Attempt:
    """A signed-in user confirms their identity, for example before a signature."""
    return Attempt(username, {f"confirm {username}": ONE_PERSON})


def code_attempt(username: str, device: str) -> Attempt:
    """A code of the second factor, after the correct password; `device` as for `sign_in_attempt`.

    An attacker who has the password can slow codes down, but not those sent from a known browser.
    """
    key = f"code {device} {username}" if device else f"code {username}"
    return Attempt(username, {key: ONE_CODE}, TooManyCodesError)


def forget(username: str) -> None:
    """Reset the counters: this user has a new password."""
    PasswordAttempt.objects.filter(name_digest=_digest(canonical(username))).delete()


def _digest(text: str) -> str:
    return salted_hmac("password attempts", text, algorithm="sha256").hexdigest()
