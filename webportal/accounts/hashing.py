"""Password hashing: deliberately slow, so concurrency is limited for unauthenticated requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth import hashers
from django.utils.translation import gettext

from webportal.refusals import Refusal


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """Django's hasher on one core: guessing costs the same, and pages keep the other cores.

    Passwords hashed with Django's own parameters are rehashed at the next sign-in.
    """

    parallelism = 1


class BusyError(Refusal):
    """More passwords were submitted at once than can be checked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_seconds = 3

    def __init__(self) -> None:
        super().__init__(
            "busy",
            gettext("Too many people are signing in at this moment. Try again in a few seconds."),
        )


class Turns:
    """Lets `at_once` threads hash concurrently and as many again wait; others are refused.

    A waiting request occupies one of the portal's threads, so only a few may wait.
    """

    def __init__(self, at_once: int, patience_seconds: float) -> None:
        self._inside = BoundedSemaphore(at_once)
        self._present = BoundedSemaphore(2 * at_once)
        self._patience_seconds = patience_seconds

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot while hashing; raises BusyError if none becomes free in time."""
        if not self._present.acquire(blocking=False):
            raise BusyError
        try:
            if not self._inside.acquire(timeout=self._patience_seconds):
                raise BusyError
            try:
                yield
            finally:
                self._inside.release()
        finally:
            self._present.release()


#: For unauthenticated requests only: a flood of sign-ins must not keep anybody from signing a read,
#: and a signed-in user's attempts are few (`throttle.py`).
sign_ins = Turns(settings.PASSWORD_HASHES_AT_ONCE, patience_seconds=2)
