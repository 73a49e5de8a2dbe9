"""What a worker measures: histograms that its heartbeats report and `/metrics` shows.

They are kept in the worker's row. A worker listens on no port that could be scraped, and where the
number of workers follows the load it may be gone by then.
"""

import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from webportal.inference.claims import ClaimedJob

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)
#: Seconds since a job was queued, until a worker claimed it, and until its result was stored.
UNTIL = ("claimed", "stored")
#: Seconds that a batch took.
PHASES = ("read", "predict", "write back")


class Histogram:
    """How often values were at most as large as each bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON, with the bounds: a portal of another release may have other ones."""
        return {"bounds": list(self._bounds), "counts": self._counts[:], "sum": self._sum}


def cumulative(histogram: Mapping[str, Any]) -> tuple[list[tuple[str, float]], float]:
    """The buckets of a histogram `as_json`, as Prometheus counts them, and its sum."""
    bounds = [*(f"{float(bound):g}" for bound in histogram["bounds"]), "+Inf"]
    return list(zip(bounds, accumulate(histogram["counts"]), strict=True)), histogram["sum"]


class Measured:
    """The histograms of one worker process since it started. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs = {until: Histogram(SECONDS) for until in UNTIL}
        self._phases = {phase: Histogram(SECONDS) for phase in PHASES}
        self._images = Histogram(IMAGES)
        self._queued: dict[uuid.UUID, float] = {}

    def claimed(self, jobs: Sequence[ClaimedJob]) -> None:
        """A batch was claimed."""
        now = time.monotonic()
        with self._lock:
            self._images.observe(len(jobs))
            for job in jobs:
                self._jobs["claimed"].observe(job.waited_seconds)
                self._queued[job.id] = now - job.waited_seconds

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure how long the block takes, which is one of PHASES."""
        began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._phases[name].observe(time.monotonic() - began)

    def ended(self, ids: Iterable[uuid.UUID], *, is_stored: bool) -> None:
        """The worker holds these jobs no more."""
        now = time.monotonic()
        with self._lock:
            for job_id in ids:
                queued = self._queued.pop(job_id, None)
                if is_stored and queued is not None:
                    self._jobs["stored"].observe(now - queued)

    def abandon(self) -> None:
        """The worker holds no jobs any more."""
        with self._lock:
            self._queued.clear()

    def as_json(self) -> dict[str, Any]:
        """All of them, for the worker's row."""
        with self._lock:
            return {
                "jobs": {until: each.as_json() for until, each in self._jobs.items()},
                "phases": {phase: each.as_json() for phase, each in self._phases.items()},
                "images": self._images.as_json(),
            }
