"""Appending to the audit trail: code that changes a record calls this in its transaction."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from webportal.audit.epochs import key_of_head
from webportal.audit.keyring import Key
from webportal.audit.macs import as_stored, compute_mac
from webportal.audit.models import Action, AuditEntry, ChainHead
from webportal.database.rows import insert
from webportal.origin import current_origin

SYSTEM = "system"

_LOCK_HEAD = "SELECT sequence, mac, key_id FROM audit_chainhead WHERE id = 1 FOR UPDATE"
_MOVE_HEAD = "UPDATE audit_chainhead SET sequence = %s, mac = %s, key_id = %s WHERE id = 1"


@dataclass(frozen=True)
class Event:
    """The content of an entry. `detail` holds plain JSON.

    It names no patient, except for changes of an identity, which contain the old and new values.
    """

    action: Action
    object_type: str = ""
    object_id: uuid.UUID | str = ""
    study_id: uuid.UUID | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def append(event: Event, actor: Any = None) -> AuditEntry:
    """Append one event and return its entry. `actor` is a user, a name, or None for the system."""
    return append_all([event], actor)[0]


def append_all(
    events: Iterable[Event], actor: Any = None, *, under: Key | None = None
) -> list[AuditEntry]:
    """Append events in order, in the caller's transaction.

    The chain's head stays locked until that transaction ends: call this last in it. The foreign
    keys of what the transaction has written are checked first. `under` is a key that takes effect
    with the first event; only `webportal.audit.rotation` gives it. Raises MissingKeyError if this
    process lacks the key of the chain.
    """
    events = list(events)
    if not events:
        return []
    actor_id, actor_name = _identity(actor)
    origin = current_origin()
    for event in events:
        as_stored(event.detail)  # raises for values that JSON cannot hold, before locking
    # Part of the caller's transaction: without these entries, none of it may be kept.
    with transaction.atomic(savepoint=False):
        sequence, mac, key_id = lock_head()
        key = under or key_of_head(sequence, key_id)
        now = timezone.now()
        entries = []
        for event in events:
            entry = AuditEntry(
                sequence=sequence + 1,
                at=now,
                actor_id=actor_id,
                actor=actor_name,
                action=event.action.value,
                object_type=event.object_type,
                object_id=str(event.object_id),
                study_id=event.study_id,
                detail=event.detail,
                origin=origin.as_json() if origin else None,
                previous_mac=mac,
            )
            entry.mac = compute_mac(entry, key)
            sequence, mac = entry.sequence, entry.mac
            entries.append(entry)
        # With the statement that moves the head, because everybody who appends waits meanwhile.
        insert(entries, then=_MOVE_HEAD, parameters=[sequence, mac, key.id])
    return entries


def lock_head() -> tuple[int, str, str]:
    """Lock the end of the chain, and return its sequence, its MAC and the name of its key.

    PostgreSQL first checks the foreign keys, which it would otherwise do when the transaction ends.
    The check waits for a transaction that has locked the referenced row, which may in turn wait for
    the chain's head: if the head were locked first, that would be a deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; {_LOCK_HEAD}")
        cursor.nextset()
        head: tuple[int, str, str] | None = cursor.fetchone()
    if head is None:
        raise ChainHead.DoesNotExist
    return head


def _identity(actor: Any) -> tuple[uuid.UUID | None, str]:
    if actor is None:
        return None, SYSTEM
    if isinstance(actor, str):
        return None, actor
    if not actor.is_authenticated:
        return None, "anonymous"
    return actor.pk, actor.username
