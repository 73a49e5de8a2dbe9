"""Locking and unlocking a session.

The lock is in a column of the session's row and is changed there alone. The data of the session are
read when a request begins and saved when it ends: a lock among them could be overwritten by a
request that began before it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from webportal.accounts.models import Session, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append


@dataclass(frozen=True)
class Standing:
    """Whether a session is locked, and when a person last used it."""

    is_locked: bool
    used_at: datetime

    def is_unused(self, period: timedelta) -> bool:
        """Whether nobody has used the session for longer than this."""
        return timezone.now() - self.used_at > period


def standing_of(session: SessionBase) -> Standing | None:
    """How the session stands in the database now; None if it has ended."""
    found = _rows(session).values_list("locked_at", "used_at").first()
    return Standing(found[0] is not None, found[1]) if found else None


def is_locked(session: SessionBase) -> bool:
    """Whether the session is locked."""
    return _rows(session).exclude(locked_at=None).exists()


@transaction.atomic
def lock(session: SessionBase, person: User, unused_for: timedelta | None = None) -> bool:
    """Lock a session, and return whether it is locked now.

    With `unused_for`, only if nobody has used it for longer than that.
    """
    open_rows = _rows(session).filter(locked_at=None)
    if unused_for is not None:
        open_rows = open_rows.filter(used_at__lt=timezone.now() - unused_for)
    if not open_rows.update(locked_at=timezone.now()):
        return is_locked(session)
    append(Event(Action.SESSION_LOCKED, "user", person.pk), person)
    return True


@transaction.atomic
def unlock(session: SessionBase, person: User) -> None:
    """Unlock the session of a person who has just authenticated."""
    now = timezone.now()
    locked = _rows(session).exclude(locked_at=None)
    if locked.update(locked_at=None, unlocked_at=now, used_at=now):
        append(Event(Action.SESSION_UNLOCKED, "user", person.pk), person)


def record_failure(person: User) -> None:
    """Append that unlocking failed."""
    append(Event(Action.UNLOCK_FAILED, "user", person.pk), person)


def unlocked_at(session: SessionBase) -> datetime | None:
    """When the session was last unlocked."""
    return _rows(session).values_list("unlocked_at", flat=True).first()


def _rows(session: SessionBase) -> QuerySet[Session]:
    return Session.objects.filter(pk=session.session_key)
