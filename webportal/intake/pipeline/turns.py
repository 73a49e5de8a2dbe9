"""Limits on unpacking ZIP files, which occupies a thread of the portal for a long time.

Each portal process unpacks only a few at once, one per user, and each for a limited time. Clients
that have to wait are told so before anything is read; a browser retries automatically.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Lock

from django.conf import settings
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.intake.errors import IntakeError, RefusedError

_lock = Lock()
_unpacking: set[uuid.UUID] = set()


class ArchiveWaitsError(IntakeError):
    """Other ZIP files are being unpacked. Nothing was stored; it works a little later."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_seconds = 5

    def __init__(self) -> None:
        super().__init__(
            "archive_waits",
            _("Other ZIP files are being unpacked. Send this one again when they are done."),
        )


def refuse_if_no_turn(by: User) -> None:
    """Raise ArchiveWaitsError if a ZIP of this user could not be unpacked now."""
    with _lock:
        _refuse_if_no_turn(by)


@contextmanager
def unpacking(by: User) -> Iterator[None]:
    """Unpack a ZIP of this user within this block; raises ArchiveWaitsError if it has to wait."""
    with _lock:
        _refuse_if_no_turn(by)
        _unpacking.add(by.pk)
    try:
        yield
    finally:
        with _lock:
            _unpacking.discard(by.pk)


def _refuse_if_no_turn(by: User) -> None:
    if by.pk in _unpacking or len(_unpacking) >= settings.UPLOAD_ARCHIVES_AT_ONCE:
        raise ArchiveWaitsError


class Clock:
    """The time spent unpacking a ZIP."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + settings.UPLOAD_ARCHIVE_SECONDS

    def refusal(self) -> RefusedError | None:
        """Return why the rest is left in the ZIP, once time is up."""
        if time.monotonic() < self._ends_at:
            return None
        minutes = -(-settings.UPLOAD_ARCHIVE_SECONDS // 60)
        return RefusedError("archive_too_slow", minutes=minutes)
