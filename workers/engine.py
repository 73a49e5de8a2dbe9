"""claim → decode → predict → write back, for one device.

While one batch is on the device, the next one has been claimed and is read and decoded by a thread
pool, and another thread writes back the results of the previous one. Stat images that come in
meanwhile pass the batch that was claimed ahead. An error in one image affects only that image;
failures of the database, the storage or the device do not count as attempts.
"""

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from django.conf import settings
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection

from ml.errors import ImageError
from ml.serving.assessment import Assessment
from ml.serving.predictor import Predictor
from webportal.inference.claims import ClaimedJob, JobResult, claim, fail, give_back, write_back
from webportal.inference.faults import report_file_fault
from webportal.inference.hint_sender import drop_hints, send_hint
from webportal.inference.models import ModelVersion
from webportal.inference.pacing import GATHER_SECONDS
from webportal.inference.presence import begin_loading, end_loading
from webportal.inference.registry import active_model, active_model_id, verified_package
from webportal.reasons import Reason
from webportal.storage import DamagedFileError, StorageAwayError
from workers.batch_spans import BatchSpans
from workers.batches import Batch, Decoders
from workers.limits import DRAIN_SECONDS
from workers.loading import UnreadableFileError

logger = logging.getLogger(__name__)

T = TypeVar("T")
LONGEST_WAIT_SECONDS = 5.0


class NoModelError(Exception):
    """No model version is active, so nothing can be predicted."""


class Engine:
    """The loop of one worker process.

    Cheap to construct: the model is loaded by `load_active_model`, or with the first batch.

    Args:
        worker: the worker's name, under which it claims.
        is_stopping: whether to stop after the current batch.
    """

    def __init__(self, worker: str, is_stopping: Callable[[], bool]) -> None:
        self.worker = worker
        self._idle_since: float | None = time.monotonic()
        self._is_stopping = is_stopping
        self._model: ModelVersion | None = None
        self._predictor: Predictor | None = None
        self._decoders = Decoders()
        self._writer = ThreadPoolExecutor(1, "writer")
        self._writing: Future[None] | None = None
        self._held: dict[object, ClaimedJob] = {}
        self._spans = BatchSpans()
        self._one_at_a_time = threading.Lock()
        self._pause_seconds = 1.0

    @property
    def device_name(self) -> str:
        """The device the model runs on; '' until it is loaded."""
        return self._predictor.device_name if self._predictor else ""

    @property
    def model_version(self) -> str:
        """The loaded version; '' for none."""
        return self._model.version if self._model else ""

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last activity; 0 while working."""
        since = self._idle_since
        return 0.0 if since is None else time.monotonic() - since

    def measured(self) -> dict[str, Any]:
        """What it has measured, see webportal.inference.worker_metrics. Thread-safe."""
        return self._spans.measured.as_json()

    def held_jobs(self) -> list[ClaimedJob]:
        """The jobs whose leases need renewing. Thread-safe."""
        return list(self._held.values())

    def drain(self) -> None:
        """Work until the queue is empty, the worker stops, or DRAIN_SECONDS have passed.

        In the last case a hint is sent so that work continues.
        """
        with self._one_at_a_time:
            self._idle_since = None
            try:
                self._drain(time.monotonic() + DRAIN_SECONDS)
            finally:
                self._writing = None
                self._writer.submit(_close_connection).result()
                # Jobs still held after an error are left to their lease.
                self._held.clear()
                self._spans.abandon()
                self._idle_since = time.monotonic()

    def _drain(self, deadline: float) -> None:
        ahead: Batch | None = None
        has_hinted = False
        while not self._is_stopping() and time.monotonic() < deadline:
            batch = ahead or self._take()
            if batch is None:
                batch, has_hinted = self._look_again(), False
            if batch is None:
                return
            if not has_hinted and (batch.is_retry or len(batch.jobs) == self._batch_size):
                # There may be more work than one worker can do; the hint wakes the next one, which
                # does the same. It also covers continuing after this task.
                has_hinted = send_hint()
            began = time.monotonic()
            is_full = len(batch.jobs) == self._batch_size
            # A batch claimed just now that is not full has emptied the queue.
            may_be_more = not batch.is_retry and (is_full or ahead is not None)
            ahead = self._take(busy=True) if may_be_more else None
            self._finish(batch, is_last=ahead is None)
            if ahead is not None:
                self._let_stat_pass(ahead, deadline)
            elif not is_full:
                time.sleep(max(0.0, began + GATHER_SECONDS - time.monotonic()))
        if ahead is not None:
            self._give_back(ahead.jobs)
            self._wait_for_the_writer()
        elif not has_hinted:
            send_hint()

    def _let_stat_pass(self, ahead: Batch, deadline: float) -> None:
        """Work on stat images that came in after the batch `ahead` was claimed.

        At most a batch of them, so that others do not wait for as long as stat images keep coming,
        and not ahead of stat images that came earlier.
        """
        left = 0 if ahead.has_stat else self._batch_size
        while left and not self._is_stopping() and time.monotonic() < deadline:
            batch = self._claim(left, busy=True, stat_only=True)
            if batch is None:
                return
            self._finish(batch, is_last=True)
            left -= len(batch.jobs)

    # ── Taking ──────────────────────────────────────────────────────────────────────────────────

    @property
    def _batch_size(self) -> int:
        size: int = settings.INFERENCE_BATCH_SIZE
        return size

    def _take(self, *, busy: bool = False) -> Batch | None:
        """Claim a batch and start reading it; None if there is nothing to do."""
        if self.is_outdated() and self._has_turn():
            if busy:
                return None
            self._load_in_turn()
        return self._claim(self._batch_size, busy=busy)

    def _claim(self, limit: int, *, busy: bool, stat_only: bool = False) -> Batch | None:
        began = time.time_ns()
        jobs = self.persist(lambda: claim(self.worker, limit, busy=busy, stat_only=stat_only))
        if not jobs:
            return None
        self._held.update({job.id: job for job in jobs})
        self._spans.claimed(jobs, began)
        assert self._predictor is not None
        size = self._predictor.package.input_size
        return self._decoders.begin(jobs, size, passing=stat_only)

    def _look_again(self) -> Batch | None:
        """Check the queue once, on behalf of all hints still waiting, which are dropped."""
        drop_hints()
        return self._take()

    def is_outdated(self) -> bool:
        """Whether another model version than the loaded one is active. Thread-safe."""
        return self._model is None or self.persist(active_model_id) != self._model.pk

    def _has_turn(self) -> bool:
        """Whether to load the active version now; until then the loaded one is used."""
        return self._model is None or self.persist(lambda: begin_loading(self.worker))

    def _load_in_turn(self) -> None:
        try:
            self.load_active_model()
        finally:
            self.persist(lambda: end_loading(self.worker))

    def load_active_model(self) -> None:
        """Load the package of the active version, unless already loaded.

        Raises NoModelError, and PackageError if its package is missing or not the one registered.
        """
        model = self.persist(active_model)
        if model is None:
            raise NoModelError("No model version is active; activate one on the models page.")
        if model == self._model:
            return
        package = verified_package(model)
        gc.unfreeze()
        self._predictor = Predictor(
            package,
            self._batch_size,
            device=settings.INFERENCE_DEVICE,
            runtime=settings.INFERENCE_RUNTIME,
        )
        self._model = model
        # TensorFlow creates so many objects that a full garbage collection takes a quarter of a
        # second, in which nothing else runs. Freeze them.
        gc.collect()
        gc.freeze()
        logger.info("Model %s is ready on %s", model.version, self.device_name)

    # ── Finishing ───────────────────────────────────────────────────────────────────────────────

    def _finish(self, batch: Batch, *, is_last: bool) -> None:
        """Predict and write back; in this thread if there is nothing else to do.

        The writer's connection is a new one for each task, which costs as much as several results.
        """
        with self._spans.phase("read", batch.jobs):
            loaded, unread = self._await_inputs(batch)
        with self._spans.phase("predict", [job for job, _ in loaded]):
            results = self._predict(loaded) if loaded else []
        # One batch at a time, so that unwritten results do not pile up.
        self._wait_for_the_writer()
        if is_last:
            self._write(results)
        else:
            self._writing = self._writer.submit(self._write, results)
        if unread:
            logger.error("The storage (STORAGE_URL) is away or empty; is its volume mounted?")
            self._give_back(unread)
            self._pause()
        else:
            self._pause_seconds = 1.0

    def _await_inputs(
        self, batch: Batch
    ) -> tuple[list[tuple[ClaimedJob, np.ndarray]], list[ClaimedJob]]:
        """Return the decoded inputs, and the jobs whose storage is away; record other failures."""
        loaded: list[tuple[ClaimedJob, np.ndarray]] = []
        unread: list[ClaimedJob] = []
        for job, future in zip(batch.jobs, batch.inputs, strict=True):
            try:
                loaded.append((job, future.result()))
            except ImageError as error:
                self._fail(job, Reason.of(error), is_final=True)
            except DamagedFileError:
                self._report_file_fault(job)
                self._fail(job, Reason("file_damaged"))
            except UnreadableFileError:
                self._report_file_fault(job)
                self._fail(job, Reason("file_unreadable"))
            except StorageAwayError:
                unread.append(job)
            except Exception as error:
                # The message may quote the file, and so patient data.
                kind = type(error).__name__
                logger.error("Reading the image of job %s raised %s", job.id, kind)
                self._fail(job, Reason("reading_failed", {"error": kind}))
        return loaded, unread

    def _wait_for_the_writer(self) -> None:
        """Wait until nothing is being written; re-raises the last write's error."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _predict(self, loaded: Sequence[tuple[ClaimedJob, np.ndarray]]) -> list[JobResult]:
        """Predict the batch; if that fails, image by image, whose own failures fail their jobs."""
        assert self._predictor is not None
        try:
            assessments = self._predictor.predict(np.stack([image for _, image in loaded]))
        except Exception as error:
            logger.exception("Predicting %d images failed", len(loaded))
            self._end_if_device_is_broken([job for job, _ in loaded])
            if len(loaded) > 1:
                return [result for each in loaded for result in self._predict([each])]
            reason = Reason("prediction_failed", {"error": type(error).__name__})
            self._fail(loaded[0][0], reason)
            return []
        return [
            _result(job, assessment)
            for (job, _), assessment in zip(loaded, assessments, strict=True)
        ]

    def _end_if_device_is_broken(self, jobs: Sequence[ClaimedJob]) -> None:
        """Exit if not even an empty image can be predicted.

        Otherwise a broken device would quarantine the whole queue. Celery starts a new process, and
        other workers take over the jobs.
        """
        assert self._predictor is not None
        size = self._predictor.package.input_size
        try:
            self._predictor.predict(np.zeros((1, size, size), np.uint8))
        except Exception:
            logger.critical("The device predicts nothing any more; this process ends")
            self._give_back(self.held_jobs())
            os._exit(1)

    def _write(self, results: Sequence[JobResult]) -> None:
        """Write a batch back, or result by result if the database rejects one of them."""
        model = self._model
        assert model is not None
        jobs = [result.job for result in results]
        try:
            with self._spans.phase("write back", jobs):
                self.persist(lambda: write_back(self.worker, self.device_name, model, results))
            self._let_go(jobs, "stored")
        except (IntegrityError, DataError) as error:
            logger.exception("The database refuses the results of %d jobs", len(results))
            if len(results) > 1:
                for result in results:
                    self._write([result])
                return
            reason = Reason("result_refused", {"error": type(error).__name__})
            self._fail(results[0].job, reason)

    def _fail(self, job: ClaimedJob, reason: Reason, *, is_final: bool = False) -> None:
        self.persist(lambda: fail(self.worker, job, reason, is_final=is_final))
        self._let_go([job], "failed")

    def _report_file_fault(self, job: ClaimedJob) -> None:
        try:
            self.persist(lambda: report_file_fault(job))
        except Exception:
            # The job's own failure is reported anyway.
            logger.exception("The fault of a stored file could not be noted")

    def _give_back(self, jobs: Sequence[ClaimedJob]) -> None:
        self.persist(lambda: give_back(self.worker, jobs))
        self._let_go(jobs, "given back")

    def _let_go(self, jobs: Sequence[ClaimedJob], outcome: str) -> None:
        for job in jobs:
            self._held.pop(job.id, None)
        self._spans.ended(jobs, outcome)

    # ── Waiting ─────────────────────────────────────────────────────────────────────────────────

    def persist(self, operation: Callable[[], T]) -> T:
        """Run a database operation, retrying while the database is unavailable.

        Raises OperationalError or InterfaceError after more than a lease, when this worker no
        longer holds its jobs.
        """
        give_up = time.monotonic() + settings.INFERENCE_LEASE_SECONDS
        wait = 0.1
        while True:
            try:
                return operation()
            except (OperationalError, InterfaceError):
                connection.close()
                if self._is_stopping() or time.monotonic() + wait > give_up:
                    raise
                logger.warning("The database is not responding; trying again in %.1f s", wait)
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _pause(self) -> None:
        """Wait for the storage to come back, with increasing delays."""
        end = time.monotonic() + self._pause_seconds
        while time.monotonic() < end and not self._is_stopping():
            time.sleep(0.1)
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_WAIT_SECONDS)


def _close_connection() -> None:
    connection.close()


def _result(job: ClaimedJob, assessment: Assessment) -> JobResult:
    rows, columns = assessment.heatmap.shape
    return JobResult(
        job=job,
        category=assessment.category,
        probability=assessment.probability,
        reason=Reason(assessment.reason_code),
        heatmap=assessment.heatmap.tobytes(),
        heatmap_rows=rows,
        heatmap_columns=columns,
        bacterial_probability=assessment.bacterial_probability,
        correction=assessment.correction,
        assessed_as=assessment.assessed_as,
    )
