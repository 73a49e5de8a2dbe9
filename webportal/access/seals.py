"""Seals of the access log: the audit trail records a hash of each completed day.

Entries are not chained to each other, because every response would have to wait for the previous
one. A seal proves that no entry of its day was changed, removed or inserted afterwards. It cannot
prove anything about the time before sealing, which is at most a day and an hour.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from webportal.access.models import AccessEntry
from webportal.audit.findings import Finding
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append
from webportal.database.clock import clock

# An entry has its transaction's start time, but becomes visible only when it commits.
_AFTER = timedelta(hours=1)
MOST_AT_ONCE = 31
# Verifications always compare the last weeks, and each earlier day once a month.
_ALWAYS = timedelta(days=35)
_IN_TURN = 30

# Columns are named, so that columns of later releases do not change the hashes of earlier days. The
# criteria are left out, because an erasure clears search terms. Hashed by the hour, because
# PostgreSQL aggregates in memory.
_HOUR = """
SELECT count(*), encode(sha256(convert_to(coalesce(string_agg(jsonb_build_array(
    id, (extract(epoch FROM at) * 1000000)::bigint, kind, outcome, user_id, "user", roles, address,
    device, session, token, method, route, status, target, study_ids, patient_ids, file_ids
    )::text, E'\\n' ORDER BY id), ''), 'UTF8')), 'hex')
FROM access_accessentry WHERE at >= %s AND at < %s
"""


class DayContent(NamedTuple):
    """The content of a day."""

    entries: int
    sha256: str


def seal() -> int:
    """Seal up to MOST_AT_ONCE completed days that are not sealed yet; return their number."""
    day = _first_unsealed()
    sealed = 0
    while day and sealed < MOST_AT_ONCE and _beginning(day + timedelta(days=1)) + _AFTER <= clock():
        content = content_of(day)
        append(Event(Action.ACCESS_SEALED, detail={"day": str(day), **content._asdict()}))
        day += timedelta(days=1)
        sealed += 1
    return sealed


def content_of(day: date) -> DayContent:
    """The number of entries of a day (UTC), and a hash of all of them."""
    digest, entries = hashlib.sha256(), 0
    with connection.cursor() as cursor:
        for hour in range(24):
            begin = _beginning(day) + timedelta(hours=hour)
            cursor.execute(_HOUR, [begin, begin + timedelta(hours=1)])
            count, sha256 = cursor.fetchone()
            entries += count
            digest.update(sha256.encode())
    return DayContent(entries, digest.hexdigest())


def _first_unsealed() -> date | None:
    last = _seals().order_by("-sequence").first()
    if last is not None:
        return date.fromisoformat(last.detail["day"]) + timedelta(days=1)
    first = AccessEntry.objects.order_by("at").values_list("at", flat=True).first()
    return first.astimezone(UTC).date() if first else None


def _seals() -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(action=Action.ACCESS_SEALED)


def _beginning(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class Sealed:
    """Compares the days of the access log with their seals; one of AUDIT_CHECKS."""

    def rows(self) -> QuerySet[Any]:
        """The number of seals, for the progress display."""
        return _seals()

    def run(self) -> Iterator[tuple[int, list[Finding]]]:
        """Compare each day that is still complete, and yield the findings."""
        kept_from, today = _kept_from(), clock().astimezone(UTC).date()
        for entry in _seals().order_by("sequence").iterator(chunk_size=1000):
            day = date.fromisoformat(entry.detail["day"])
            is_due = day >= today - _ALWAYS or (today - day).days % _IN_TURN == 0
            is_kept = kept_from is None or _beginning(day) >= kept_from
            yield 1, list(_compare(day, entry)) if is_due and is_kept else []


def _compare(day: date, entry: AuditEntry) -> Iterator[Finding]:
    found = content_of(day)
    if found.sha256 == entry.detail["sha256"]:
        return
    values = {"day": str(day), "entries": found.entries, "sealed": entry.detail["entries"]}
    yield Finding("access_differs", sequence=entry.sequence, values=values)


def _kept_from() -> datetime | None:
    """The time from which all entries are kept; None if none have been removed."""
    removed = AuditEntry.objects.filter(action=Action.ACCESS_REMOVED)
    limits = (datetime.fromisoformat(entry.detail["older_than"]) for entry in removed.iterator())
    return max(limits, default=None)


CHECKS = [Sealed()]
