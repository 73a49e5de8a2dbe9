"""The spans and times of an inference worker's batches and the images in them.

The span of an image belongs to the trace of the request that queued it, and lasts from the claim
until its result is stored. The span of a batch, with those of its phases, belongs to no single
request: it links to the requests of all its images, and their spans link to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from webportal import tracing
from webportal.inference.claims import ClaimedJob
from webportal.inference.worker_metrics import Measured

if TYPE_CHECKING:
    from opentelemetry.trace import Span


@dataclass
class _Batch:
    span: Span
    unfinished: int


class BatchSpans:
    """The spans of the jobs that an engine holds, none while tracing is off. Thread-safe.

    `measured` has how long they took, in any case.
    """

    def __init__(self) -> None:
        self.measured = Measured()
        self._lock = threading.Lock()
        self._open: dict[UUID, tuple[Span, _Batch]] = {}

    def claimed(self, jobs: Sequence[ClaimedJob], since_ns: int) -> None:
        """Begin the spans of a batch; its claim began at `since_ns` (`time.time_ns`)."""
        self.measured.claimed(jobs)
        links = [job.traceparent for job in jobs]
        span = tracing.begin("batch", kind="CONSUMER", parent="", links=links, since_ns=since_ns)
        if span is None:
            return
        span.set_attribute("chestline.images", len(jobs))
        _end(tracing.begin("claim", parent=span, since_ns=since_ns))
        batch = _Batch(span, len(jobs))
        for job in jobs:
            of_job = tracing.begin(
                "analyse image", parent=job.traceparent, links=[span], since_ns=since_ns
            )
            assert of_job is not None
            of_job.set_attribute("chestline.job", str(job.id))
            of_job.set_attribute("chestline.attempt", job.attempt)
            with self._lock:
                self._open[job.id] = of_job, batch

    @contextmanager
    def phase(self, name: str, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        """A span in that of the batch to which these jobs belong, if there are any."""
        if not jobs:
            yield
            return
        held = self._open.get(jobs[0].id)
        span = tracing.begin(name, parent=held[1].span) if held else None
        try:
            with self.measured.phase(name):
                yield
        except Exception as error:
            if span is not None:
                tracing.mark_failed(span, type(error).__name__)
            raise
        finally:
            _end(span)

    def ended(self, jobs: Sequence[ClaimedJob], outcome: str) -> None:
        """End the spans of jobs, and that of their batch with the last of it."""
        self.measured.ended([job.id for job in jobs], is_stored=outcome == "stored")
        for job in jobs:
            self._end_job(job.id, outcome)

    def abandon(self) -> None:
        """End all open spans: an error has ended the work."""
        self.measured.abandon()
        for job_id in list(self._open):
            self._end_job(job_id, "abandoned")

    def _end_job(self, job_id: UUID, outcome: str) -> None:
        with self._lock:
            if job_id not in self._open:
                return
            span, batch = self._open.pop(job_id)
            batch.unfinished -= 1
            is_last = batch.unfinished == 0
        span.set_attribute("chestline.outcome", outcome)
        if outcome in ("failed", "abandoned"):
            tracing.mark_failed(span, outcome)
        _end(span)
        if is_last:
            _end(batch.span)


def _end(span: Span | None) -> None:
    if span is not None:
        span.end(time.time_ns())
