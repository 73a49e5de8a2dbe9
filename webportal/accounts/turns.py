"""Limits how many requests at once hash a password, or wait for the directory or the provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import BoundedSemaphore

from django.utils.translation import gettext

from webportal.refusals import Refusal


class BusyError(Refusal):
    """More people are signing in at once than can be checked."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_seconds = 3

    def __init__(self) -> None:
        super().__init__(
            "busy",
            gettext("Too many people are signing in at this moment. Try again in a few seconds."),
        )


class Turns:
    """Lets `at_once` threads in and as many again wait; others are refused.

    A waiting request occupies one of the portal's threads, so only a few may wait.
    """

    def __init__(self, at_once: int, patience_seconds: float) -> None:
        self._inside = BoundedSemaphore(at_once)
        self._present = BoundedSemaphore(2 * at_once)
        self._patience_seconds = patience_seconds

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot; raises BusyError if none becomes free in time."""
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
