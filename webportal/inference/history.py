"""What happened in the queue, by hour for a day and by day for a month.

The scheduler computes each hour and day from the jobs; `QueuePeriod` keeps the figures. Pages read
only those, so that they cost the same however many jobs there are.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from webportal.inference.models import PeriodLength, QueuePeriod
from webportal.records.choices import Priority
from webportal.storage import free_bytes

HOURS = 24
DAYS = 30
# Transactions that have closed a job in a period may commit after its end.
_SETTLED = timedelta(minutes=1)
# The present day is computed less often than the present hour, because it has more jobs.
_DAY_EVERY = timedelta(minutes=10)

# A job that was queued in the period is open now or was closed after the period began. There is an
# index for both; `queued_at` has none.
_ARRIVED = """
SELECT priority, count(*) FROM (
    SELECT priority, queued_at FROM inference_job WHERE state = 'queued'
    UNION ALL SELECT priority, queued_at FROM inference_job WHERE state = 'running'
    UNION ALL SELECT priority, queued_at FROM inference_job
        WHERE state IN ('done', 'refused', 'quarantined', 'cancelled')
            AND finished_at >= %(start)s
) AS job
WHERE queued_at >= %(start)s AND queued_at < %(end)s GROUP BY priority
"""
_CLOSED = """
SELECT state, reason_code, count(*) FROM inference_job
WHERE state IN ('done', 'refused', 'quarantined')
    AND finished_at >= %(start)s AND finished_at < %(end)s
GROUP BY state, reason_code
"""
_TIMES = """
SELECT priority, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
    ORDER BY extract(epoch FROM finished_at - queued_at)::float8)
FROM inference_job
WHERE state IN ('done', 'refused') AND finished_at >= %(start)s AND finished_at < %(end)s
GROUP BY priority
"""
# While a worker holds any job it is busy. The times are of two clocks, the database's and the
# worker's, and a range must not end before it begins.
WORK = """
SELECT worker, jobs, (
    SELECT sum(extract(epoch FROM upper(span) - lower(span)))::float8 FROM unnest(spans) AS span)
FROM (
    SELECT worker, count(*) AS jobs, range_agg(tstzrange(
        least(greatest(started_at, %(start)s), finished_at), finished_at, '[]')) AS spans
    FROM inference_job
    WHERE state IN ('done', 'refused', 'quarantined') AND worker <> ''
        AND finished_at >= %(start)s AND finished_at < %(end)s
    GROUP BY worker
) AS work
"""


@dataclass(frozen=True)
class Work:
    """What a worker did in a period: its images, and the seconds for which it held any."""

    images: int
    busy_seconds: float

    @property
    def images_per_second(self) -> float | None:
        """Its speed while it was busy; None if it was not."""
        return self.images / self.busy_seconds if self.busy_seconds else None


def summarise(most_seconds: float = 2.0) -> int:
    """Compute what is due, newest first, for at most `most_seconds`; returns how many periods.

    After a pause of the scheduler, or an upgrade, the missing periods follow one after the other.
    """
    until, now = time.monotonic() + most_seconds, timezone.now()
    computed = 0
    for length, start, end in _due(now):
        _compute(length, start, end, now)
        computed += 1
        if time.monotonic() > until:
            break
    oldest = {PeriodLength.HOUR: now - timedelta(hours=HOURS + 1)}
    oldest[PeriodLength.DAY] = now - timedelta(days=DAYS + 1)
    for length, before in oldest.items():
        QueuePeriod.objects.filter(length=length, ends_at__lt=before).delete()
    return computed


def periods(length: PeriodLength) -> list[QueuePeriod]:
    """The periods of a day by hour or of a month by day, oldest first; missing ones are empty."""
    now = timezone.now()
    starts = list(_starts(length, now))
    known = _known(length, starts[-1][0])
    return [
        known.get(start) or QueuePeriod(length=length, starts_at=start, ends_at=end, figures={})
        for start, end in reversed(starts)
    ]


def work_since(start: datetime) -> dict[str, Work]:
    """What each worker has done since then."""
    return _work(start, timezone.now())


def _due(now: datetime) -> Iterator[tuple[PeriodLength, datetime, datetime]]:
    for length in PeriodLength:
        starts = list(_starts(length, now))
        known = _known(length, starts[-1][0])
        for start, end in starts:
            before = known.get(start)
            if before is None or not _is_fresh(before, now):
                yield length, start, end


def _known(length: PeriodLength, since: datetime) -> dict[datetime, QueuePeriod]:
    """The periods computed already, by their starts."""
    found = QueuePeriod.objects.filter(length=length, starts_at__gte=since)
    return {each.starts_at: each for each in found}


def _is_fresh(period: QueuePeriod, now: datetime) -> bool:
    if period.computed_at >= period.ends_at + _SETTLED:
        return True
    if period.length == PeriodLength.HOUR or now >= period.ends_at + _SETTLED:
        return False
    return now < period.computed_at + _DAY_EVERY


def _starts(length: PeriodLength, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Start and end of the present period and those before it, the present one first."""
    if length == PeriodLength.HOUR:
        start = now.replace(minute=0, second=0, microsecond=0)
        for _ in range(HOURS + 1):
            yield start, start + timedelta(hours=1)
            start -= timedelta(hours=1)
        return
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(DAYS):
        # In local time a day may have 23 or 25 hours.
        yield today - timedelta(days=ago), today - timedelta(days=ago - 1)


def _compute(length: PeriodLength, start: datetime, end: datetime, now: datetime) -> None:
    figures: dict[str, Any] = _figures(start, end)
    before = QueuePeriod.objects.filter(length=length, starts_at=start).first()
    free = free_bytes() if start <= now < end else None
    if free is None and before is not None:
        free = before.figures.get("free_bytes")
    if free is not None:
        figures["free_bytes"] = free
    QueuePeriod.objects.update_or_create(
        length=length,
        starts_at=start,
        defaults={"ends_at": end, "computed_at": now, "figures": figures},
    )


def _figures(start: datetime, end: datetime) -> dict[str, Any]:
    with connection.cursor() as cursor:
        parameters = {"start": start, "end": end}
        cursor.execute(_ARRIVED, parameters)
        arrived = {_name(priority): count for priority, count in cursor.fetchall()}
        cursor.execute(_TIMES, parameters)
        times = {_name(priority): both for priority, both in cursor.fetchall()}
        cursor.execute(_CLOSED, parameters)
        closed = cursor.fetchall()
    results: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for state, reason, count in closed:
        results[state] = results.get(state, 0) + count
        if reason:
            reasons[reason] = reasons.get(reason, 0) + count
    return {
        "arrived": arrived,
        "results": results,
        "times": times,
        "reasons": reasons,
        "workers": {
            name: [work.images, round(work.busy_seconds, 1)]
            for name, work in _work(start, end).items()
        },
    }


def _work(start: datetime, end: datetime) -> dict[str, Work]:
    with connection.cursor() as cursor:
        cursor.execute(WORK, {"start": start, "end": end})
        return {name: Work(images, busy or 0.0) for name, images, busy in cursor.fetchall()}


def _name(priority: int) -> str:
    return Priority(priority).name.lower()
