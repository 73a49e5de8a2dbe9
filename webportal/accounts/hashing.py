"""Hashing passwords: slow on purpose, so only a few at once where anybody may ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import BoundedSemaphore

from django.conf import settings
from django.contrib.auth import hashers
from django.utils.translation import gettext

from webportal.refusals import Refusal


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """Django's, on one core each: what it costs a guesser is the same, and pages keep the others.

    Passwords that were hashed with Django's own parameters are hashed anew at the next sign-in.
    """

    parallelism = 1


class BusyError(Refusal):
    """More people try passwords at once than can be checked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_seconds = 3

    def __init__(self) -> None:
        super().__init__(
            "busy",
            gettext("Too many people are signing in at this moment. Try again in a few seconds."),
        )


class Turns:
    """Lets `at_once` hash at the same time and as many again wait; the others are refused at once.

    Whoever waits keeps one of the portal's threads from showing pages, so only few may.
    """

    def __init__(self, at_once: int, patience_seconds: float) -> None:
        self._inside = BoundedSemaphore(at_once)
        self._present = BoundedSemaphore(2 * at_once)
        self._patience_seconds = patience_seconds

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hash within this; raises BusyError when it is too full or takes too long."""
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


#: Of those who are not signed in. Who is signed in has no need of a turn: a flood at the sign-in
#: must keep nobody from signing a read, and one person's attempts are few (`throttle.py`).
sign_ins = Turns(settings.PASSWORD_HASHES_AT_ONCE, patience_seconds=2)
