"""The installation's load and speeds, from its own results.

Everything is derived from closed jobs: jobs of one claim have the same `started_at`, so the rows
show the batches, and what a worker did between them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import connection
from django.utils import timezone

from webportal.inference.models import JobState, Worker
from webportal.inference.pacing import GATHER_SECONDS
from webportal.operations.capacity.assumptions import (
    HOURS,
    PRIORITIES,
    BatchTime,
    WorkerSpeed,
)

DAYS = 30
#: At most this many jobs, the newest, are read for speeds, priorities and failures.
MOST_JOBS = 30_000
# Fewer are not enough for an estimate.
LEAST_BATCHES = 20
LEAST_IMAGES = 500
LEAST_DAYS = 7
_LEAST_LARGE = 5
# A batch that takes this many times as long as usual is a fault, not a speed.
_STALLED = 10

_CLOSED = """
SELECT job.* FROM unnest(ARRAY['done', 'refused', 'quarantined']) AS closed (state)
CROSS JOIN LATERAL (
    SELECT worker, priority, attempt, state, study_id, queued_at, started_at, finished_at
    FROM inference_job
    WHERE state = closed.state AND started_at IS NOT NULL
        AND finished_at >= %(since)s AND finished_at < %(until)s
    ORDER BY finished_at DESC LIMIT %(most)s
) AS job
ORDER BY finished_at DESC LIMIT %(most)s
"""
# Each radiograph once, with its first job: a later analysis, even after years, is no arrival. A
# study arrives with its first image.
_ARRIVED = """
SELECT date_trunc('minute', arrived), count(*), count(*) FILTER (WHERE number = 1) FROM (
    SELECT min(job.queued_at) AS arrived,
        row_number() OVER (PARTITION BY job.study_id ORDER BY min(job.queued_at)) AS number
    FROM inference_job AS job
    JOIN records_radiograph AS radiograph ON radiograph.id = job.radiograph_id
    WHERE radiograph.created_at >= %(since)s AND (
        job.state IN ('queued', 'running')
        OR job.state IN ('done', 'refused', 'quarantined', 'cancelled')
            AND job.finished_at >= %(since)s)
    GROUP BY job.radiograph_id, job.study_id
) AS image
GROUP BY 1
"""


class ClosedJob(NamedTuple):
    """A closed job."""

    worker: str
    priority: int
    attempt: int
    state: str
    study: UUID
    queued_at: datetime
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True)
class Device:
    """The batches of the workers on one kind of device, and their speed."""

    name: str
    speed: WorkerSpeed
    batches: int


@dataclass(frozen=True)
class Measured:
    """The measurements; None where there is too little data."""

    images: int
    since: datetime | None
    devices: Sequence[Device]
    images_per_study: float | None
    priorities: Sequence[float] | None
    profile: Sequence[float] | None
    studies_in_busiest_hour: float | None
    failing: float | None
    files_in_busiest_minute: int


def measure() -> Measured:
    """Measure the arrivals of the last 30 days, and the newest MOST_JOBS jobs among them."""
    now = timezone.now()
    start = now - timedelta(days=DAYS)
    jobs = closed_jobs(start, now)
    if not jobs:
        return Measured(0, None, [], None, None, None, None, None, 0)
    since = jobs[-1].finished_at
    has_enough = len(jobs) >= LEAST_IMAGES
    minutes = _arrived(start)
    images = sum(each.images for each in minutes)
    studies = sum(each.studies for each in minutes)
    per_study = images / studies if images >= LEAST_IMAGES else None
    hours = _hours(minutes)
    is_long = bool(minutes) and now - minutes[0].start >= timedelta(days=LEAST_DAYS)
    by_hour = _by_hour(hours) if per_study and is_long else None
    by_priority = Counter(job.priority for job in jobs)
    ends = sum(job.attempt for job in jobs)
    results = sum(job.state != JobState.QUARANTINED for job in jobs)
    return Measured(
        images=len(jobs),
        since=since,
        devices=devices(jobs),
        images_per_study=per_study,
        priorities=[by_priority[each] / len(jobs) for each in PRIORITIES] if has_enough else None,
        profile=[count / max(by_hour) for count in by_hour] if by_hour else None,
        studies_in_busiest_hour=_busiest(hours) / per_study if per_study and by_hour else None,
        failing=1 - results / ends if has_enough else None,
        files_in_busiest_minute=max((each.images for each in minutes), default=0),
    )


def closed_jobs(since: datetime, until: datetime) -> list[ClosedJob]:
    """The jobs closed in this time, newest first, at most MOST_JOBS."""
    parameters: dict[str, datetime | int] = {"since": since, "until": until, "most": MOST_JOBS}
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, parameters)
        return [ClosedJob(*row) for row in cursor.fetchall()]


class _Minute(NamedTuple):
    """The arrivals in one minute; minutes without any are left out."""

    start: datetime
    images: int
    studies: int


def _arrived(since: datetime) -> list[_Minute]:
    """The arrivals since then, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED, {"since": since})
        return sorted(_Minute(*row) for row in cursor.fetchall())


def _hours(minutes: Sequence[_Minute]) -> Counter[datetime]:
    """Images by the hour of each local day in which they arrived."""
    hours: Counter[datetime] = Counter()
    for minute in minutes:
        hours[timezone.localtime(minute.start).replace(minute=0)] += minute.images
    return hours


def _by_hour(hours: Counter[datetime]) -> list[int]:
    """Images by hour of the local day, over all days."""
    counts: Counter[int] = Counter()
    for start, images in hours.items():
        counts[start.hour] += images
    return [counts[hour] for hour in range(HOURS)]


def _busiest(hours: Counter[datetime]) -> float:
    """Images in the busiest hour of a busy day: the 95th percentile; of 20 days the busiest."""
    of_days: dict[date, int] = defaultdict(int)
    for start, images in hours.items():
        of_days[start.date()] = max(of_days[start.date()], images)
    return float(np.percentile(list(of_days.values()), 95, method="higher"))


# ── Speeds ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Batch:
    """The jobs of one claim; `queued_at` is that of the first.

    `has_passed`: another batch was claimed before and finished after it. `free_at`: from when the
    worker claimed again, if it had claimed nothing meanwhile: after the pause that follows a batch
    that was not full.
    """

    images: int
    queued_at: datetime
    started_at: datetime
    finished_at: datetime
    has_passed: bool
    free_at: datetime


Points = list[tuple[int, float]]


def devices(jobs: Sequence[ClosedJob]) -> list[Device]:
    """The speeds of the workers by device, the one with most batches first."""
    of_workers = dict(Worker.objects.values_list("name", "device"))
    batches: dict[str, list[list[_Batch]]] = defaultdict(list)
    for worker, own in _batches(jobs):
        batches[of_workers.get(worker, "")].append(own)
    found = [(name, sum(map(len, own)), _speed(own)) for name, own in batches.items() if name]
    fitted = [Device(name, speed, count) for name, count, speed in found if speed is not None]
    return sorted(fitted, key=attrgetter("batches"), reverse=True)


def _batches(jobs: Sequence[ClosedJob]) -> Iterator[tuple[str, list[_Batch]]]:
    """Each worker with its batches, without its first claim, which may be incomplete."""
    grouped: dict[str, dict[datetime, list[ClosedJob]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        if job.worker and job.attempt == 1:
            grouped[job.worker][job.started_at].append(job)
    for worker, claims in grouped.items():
        yield worker, _in_order([claims[started_at] for started_at in sorted(claims)[1:]])


def _in_order(claims: Sequence[Sequence[ClosedJob]]) -> list[_Batch]:
    """The batches of a worker's claims, in the order of their results."""
    batches: list[_Batch] = []
    latest = None
    for members in claims:
        started_at, images = members[0].started_at, len(members)
        finished_at = max(job.finished_at for job in members)
        has_passed = latest is not None and finished_at < latest
        began_at = started_at if latest is None else max(started_at, latest)
        latest = latest if has_passed else finished_at
        queued_at = min(job.queued_at for job in members)
        free_at = finished_at
        if images < settings.INFERENCE_BATCH_SIZE:
            free_at = max(finished_at, began_at + timedelta(seconds=GATHER_SECONDS))
        batches.append(_Batch(images, queued_at, started_at, finished_at, has_passed, free_at))
    return sorted(batches, key=attrgetter("finished_at"))


def _speed(of_workers: Sequence[Sequence[_Batch]]) -> WorkerSpeed | None:
    """Fit the times of batches by their number of images; None if there are too few."""
    alone: Points = []
    following: Points = []
    closing: Points = []
    wakes: list[float] = []
    for batches in of_workers:
        for before, batch in pairwise(batches):
            if batch.has_passed:
                # While another batch was held, but with the device to itself.
                alone.append((batch.images, _seconds(batch.started_at, batch.finished_at)))
                continue
            if batch.started_at < before.finished_at:
                following.append((batch.images, _seconds(before.finished_at, batch.finished_at)))
                continue
            alone.append((batch.images, _seconds(batch.started_at, batch.finished_at)))
            if batch.queued_at <= before.free_at:
                closing.append((before.images, _seconds(before.free_at, batch.started_at)))
            else:
                wakes.append(_seconds(batch.queued_at, batch.started_at))
    times = fit(alone), fit(following)
    known = times[0] or times[1]
    if known is None:
        return None
    return WorkerSpeed(
        alone=times[0] or known,
        following=times[1] or known,
        closing=fit(closing, may_be_constant=True) or BatchTime(0, 0),
        wake=float(np.median(wakes)) if wakes else 0.0,
        batch_size=settings.INFERENCE_BATCH_SIZE,
        gather=GATHER_SECONDS,
    )


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def fit(points: Points, *, may_be_constant: bool = False) -> BatchTime | None:
    """Fit a line to times of batches by weighted least squares; None if there are too few.

    The spread of a batch grows with its time, so short and long ones weigh the same. Both parts of
    the time are at least 0. Where it does not grow with the number of images it is taken to be in
    proportion to it, because an image costs something, unless it `may_be_constant`. The line is not
    extrapolated to larger batches than were seen: see BatchTime.
    """
    usable = [(images, seconds) for images, seconds in points if seconds > 0]
    if len(usable) < LEAST_BATCHES:
        return None
    images, seconds = (np.array(each, dtype=float) for each in zip(*usable, strict=True))
    is_usual = seconds < _STALLED * np.median(seconds / images) * (images + 1)
    images, seconds = images[is_usual], seconds[is_usual]
    fixed, per_image = _line(images, seconds)
    if may_be_constant and not fixed:
        fixed, per_image = float(seconds.mean()), 0.0
    ratios = seconds / (fixed + per_image * images)
    spread = float(np.std(ratios) / np.mean(ratios))
    return BatchTime(fixed, per_image, spread, _largest(images))


def _largest(images: "np.ndarray") -> int:
    """The largest size that several batches reached: a single one proves little."""
    return int(np.sort(images)[-min(len(images), _LEAST_LARGE)])


def _line(images: "np.ndarray", seconds: "np.ndarray") -> tuple[float, float]:
    """The fixed part, and the part for each image, neither below 0."""
    average = float(seconds.sum() / images.sum())
    if np.ptp(images) == 0:
        return 0.0, average
    fitted = np.full_like(seconds, seconds.mean())
    fixed, per_image = 0.0, 0.0
    # The weights follow from the line itself.
    for _ in range(3):
        per_image, fixed = map(float, np.polyfit(images, seconds, 1, w=1 / fitted))
        # An image of a large batch is not free because a few of them happened to be fast.
        if per_image <= 0 or fixed < 0:
            return 0.0, average
        fitted = np.maximum(fixed + per_image * images, 1e-6)
    return fixed, per_image
