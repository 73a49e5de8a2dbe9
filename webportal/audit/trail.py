"""Appending to the audit trail: code that changes a record calls this in its transaction."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from webportal.audit.models import Action, AuditEntry, ChainHead
from webportal.database.rows import insert
from webportal.origin import current_origin

SYSTEM = "system"


@dataclass(frozen=True)
class Event:
    """The content of an entry. `detail` holds plain JSON.

    It names no patient, except for changes of an identity, which keep the old and the new values.
    """

    action: Action
    object_type: str = ""
    object_id: uuid.UUID | str = ""
    study_id: uuid.UUID | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def append(event: Event, actor: Any = None) -> AuditEntry:
    """Append one event and return its entry. `actor` is a user, a name, or None for the system."""
    return append_all([event], actor)[0]


def append_all(events: Iterable[Event], actor: Any = None) -> list[AuditEntry]:
    """Append events in order, in the caller's transaction.

    The chain's head stays locked until that transaction ends: call this last in it. What the
    transaction has written is checked against its foreign keys first.
    """
    events = list(events)
    if not events:
        return []
    actor_id, actor_name = _identity(actor)
    origin = current_origin()
    for event in events:
        _as_stored(event.detail)  # raises for values that JSON cannot hold, before locking
    # Part of the caller's transaction: without these entries nothing of it may be kept.
    with transaction.atomic(savepoint=False):
        sequence, mac = _lock_head()
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
            entry.mac = compute_mac(entry)
            sequence, mac = entry.sequence, entry.mac
            entries.append(entry)
        insert(entries)
        ChainHead.objects.filter(pk=1).update(sequence=sequence, mac=mac)
    return entries


def _lock_head() -> tuple[int, str]:
    """Lock the end of the chain, and return its sequence and MAC.

    PostgreSQL first checks the foreign keys, instead of when the transaction ends. The check waits
    for whoever has locked the row that is referred to, and they may in turn wait for the chain's
    head: with the head locked first, that would be a deadlock.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT sequence, mac FROM audit_chainhead WHERE id = 1 FOR UPDATE")
        head: tuple[int, str] | None = cursor.fetchone()
    if head is None:
        raise ChainHead.DoesNotExist
    return head


def compute_mac(entry: AuditEntry) -> str:
    """HMAC-SHA-256, in hex, over the previous MAC and the entry's content as canonical JSON.

    An entry without an origin has none in its content either, so that entries of earlier releases
    still verify.
    """
    values = [
        entry.previous_mac,
        entry.sequence,
        _microseconds(entry.at),
        str(entry.actor_id or ""),
        entry.actor,
        entry.action,
        entry.object_type,
        entry.object_id,
        str(entry.study_id or ""),
        _as_stored(entry.detail),
    ]
    if entry.origin is not None:
        values.append(_as_stored(entry.origin))
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hmac.new(settings.AUDIT_KEY.encode(), content.encode(), hashlib.sha256).hexdigest()


def _as_stored(detail: dict[str, Any]) -> Any:
    """The detail in the form in which PostgreSQL's jsonb returns it.

    Keys become text and tuples lists. jsonb keeps numbers as decimals, so that 1e16 comes back as
    an integer and -0.0 as 0. Raises ValueError for values that JSON cannot represent, such as NaN.
    """
    return json.loads(json.dumps(detail, allow_nan=False), parse_float=as_stored_number)


def as_stored_number(text: str) -> float:
    """A number with a decimal point or exponent as PostgreSQL's jsonb returns it."""
    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() else float(text)


def _microseconds(at: datetime) -> int:
    """The instant as an integer, because text forms differ by time zone and floats by rounding."""
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond


def _identity(actor: Any) -> tuple[uuid.UUID | None, str]:
    if actor is None:
        return None, SYSTEM
    if isinstance(actor, str):
        return None, actor
    if not actor.is_authenticated:
        return None, "anonymous"
    return actor.pk, actor.username
