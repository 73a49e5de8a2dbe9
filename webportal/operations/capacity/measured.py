"""What this installation's own results say about its load and its speeds.

Everything comes from closed jobs: those of one claim have the same `started_at`, so that the
batches, and what a worker did between them, can be told from the rows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import connection
from django.utils import timezone

from webportal.inference.models import JobState, Worker
from webportal.operations.capacity.assumptions import (
    HOURS,
    PRIORITIES,
    BatchTime,
    WorkerSpeed,
)

DAYS = 30
#: So many jobs are read at most, the newest.
MOST_JOBS = 30_000
# Fewer say too little.
LEAST_BATCHES = 20
LEAST_IMAGES = 500
LEAST_DAYS = 7
_LEAST_LARGE = 5
# What takes so many times as long as usual is a fault and no speed.
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


class ClosedJob(NamedTuple):
    """A job with its outcome."""

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
    """What the workers on one kind of device did, in so many batches."""

    name: str
    speed: WorkerSpeed
    batches: int


@dataclass(frozen=True)
class Measured:
    """What was found; None where there is too little to say."""

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
    """Read the newest jobs of the last 30 days, at most MOST_JOBS."""
    now = timezone.now()
    jobs = closed_jobs(now - timedelta(days=DAYS), now)
    if not jobs:
        return Measured(0, None, [], None, None, None, None, None, 0)
    since = jobs[-1].finished_at
    has_enough = len(jobs) >= LEAST_IMAGES
    is_long = now - since >= timedelta(days=LEAST_DAYS)
    studies = len({job.study for job in jobs})
    by_hour = _by_hour(jobs) if has_enough and is_long else None
    days = (now - since) / timedelta(days=1)
    by_priority = Counter(job.priority for job in jobs)
    ends = sum(job.attempt for job in jobs)
    results = sum(job.state != JobState.QUARANTINED for job in jobs)
    minutes = Counter(job.queued_at.replace(second=0, microsecond=0) for job in jobs)
    return Measured(
        images=len(jobs),
        since=since,
        devices=devices(jobs),
        images_per_study=len(jobs) / studies if has_enough else None,
        priorities=[by_priority[each] / len(jobs) for each in PRIORITIES] if has_enough else None,
        profile=[count / max(by_hour) for count in by_hour] if by_hour else None,
        studies_in_busiest_hour=(max(by_hour) / days * studies / len(jobs) if by_hour else None),
        failing=1 - results / ends if has_enough else None,
        files_in_busiest_minute=max(minutes.values()),
    )


def closed_jobs(since: datetime, until: datetime) -> list[ClosedJob]:
    """The jobs that were closed in this time, the newest first, at most MOST_JOBS."""
    parameters: dict[str, datetime | int] = {"since": since, "until": until, "most": MOST_JOBS}
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, parameters)
        return [ClosedJob(*row) for row in cursor.fetchall()]


def _by_hour(jobs: Sequence[ClosedJob]) -> list[int]:
    """Images queued by hour of the local day."""
    counts = Counter(timezone.localtime(job.queued_at).hour for job in jobs)
    return [counts[hour] for hour in range(HOURS)]


# ── Speeds ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Batch:
    """The jobs of one claim; `queued_at` is that of the first."""

    images: int
    queued_at: datetime
    started_at: datetime
    finished_at: datetime


Points = list[tuple[int, float]]


def devices(jobs: Sequence[ClosedJob]) -> list[Device]:
    """The speeds of the workers by device, that with most batches first."""
    of_workers = dict(Worker.objects.values_list("name", "device"))
    batches: dict[str, list[list[_Batch]]] = defaultdict(list)
    for worker, own in _batches(jobs):
        batches[of_workers.get(worker, "")].append(own)
    found = [(name, sum(map(len, own)), _speed(own)) for name, own in batches.items() if name]
    fitted = [Device(name, speed, count) for name, count, speed in found if speed is not None]
    return sorted(fitted, key=attrgetter("batches"), reverse=True)


def _batches(jobs: Sequence[ClosedJob]) -> Iterator[tuple[str, list[_Batch]]]:
    """Each worker with its batches, the oldest first; without the first, which may be cut off."""
    grouped: dict[str, dict[datetime, list[ClosedJob]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        if job.worker and job.attempt == 1:
            grouped[job.worker][job.started_at].append(job)
    for worker, claims in grouped.items():
        yield (
            worker,
            [
                _Batch(
                    len(members),
                    min(job.queued_at for job in members),
                    started_at,
                    max(job.finished_at for job in members),
                )
                for started_at, members in sorted(claims.items())[1:]
            ],
        )


def _speed(of_workers: Sequence[Sequence[_Batch]]) -> WorkerSpeed | None:
    """Fit the times of batches by their number of images; None if there are too few."""
    alone: Points = []
    following: Points = []
    closing: Points = []
    wakes: list[float] = []
    for batches in of_workers:
        for before, batch in pairwise(batches):
            if batch.started_at < before.finished_at:
                following.append((batch.images, _seconds(before.finished_at, batch.finished_at)))
                continue
            alone.append((batch.images, _seconds(batch.started_at, batch.finished_at)))
            if batch.queued_at <= before.finished_at:
                closing.append((before.images, _seconds(before.finished_at, batch.started_at)))
            else:
                wakes.append(_seconds(batch.queued_at, batch.started_at))
    times = fit(alone), fit(following)
    known = times[0] or times[1]
    if known is None:
        return None
    return WorkerSpeed(
        alone=times[0] or known,
        following=times[1] or known,
        closing=fit(closing) or BatchTime(0, 0),
        wake=float(np.median(wakes)) if wakes else 0.0,
        batch_size=settings.INFERENCE_BATCH_SIZE,
    )


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def fit(points: Points) -> BatchTime | None:
    """Fit a line to times of batches by weighted least squares; None if there are too few.

    The spread of a batch grows with its time, so that short ones weigh as much as long ones. Both
    parts of the time are at least 0. What the line says of larger batches than were seen is not
    used; see BatchTime.
    """
    usable = [(images, seconds) for images, seconds in points if seconds > 0]
    if len(usable) < LEAST_BATCHES:
        return None
    images, seconds = (np.array(each, dtype=float) for each in zip(*usable, strict=True))
    is_usual = seconds < _STALLED * np.median(seconds / images) * (images + 1)
    images, seconds = images[is_usual], seconds[is_usual]
    fixed, per_image = _line(images, seconds)
    ratios = seconds / (fixed + per_image * images)
    spread = float(np.std(ratios) / np.mean(ratios))
    return BatchTime(fixed, per_image, spread, _largest(images))


def _largest(images: "np.ndarray") -> int:
    """The largest size that several batches had or exceeded: one alone says little."""
    return int(np.sort(images)[-min(len(images), _LEAST_LARGE)])


def _line(images: "np.ndarray", seconds: "np.ndarray") -> tuple[float, float]:
    """The fixed part and that of an image, neither below 0."""
    average = float(seconds.sum() / images.sum())
    if np.ptp(images) == 0:
        return 0.0, average
    fitted = np.full_like(seconds, seconds.mean())
    fixed, per_image = 0.0, 0.0
    # The weights follow from the line itself.
    for _ in range(3):
        per_image, fixed = map(float, np.polyfit(images, seconds, 1, w=1 / fitted))
        # Nor is an image of a large batch free because few of them happened to be fast.
        if per_image <= 0 or fixed < 0:
            return 0.0, average
        fitted = np.maximum(fixed + per_image * images, 1e-6)
    return fixed, per_image
