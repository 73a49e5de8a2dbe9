"""Batches of claimed jobs, and the threads that read and decode their files."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ml.serving.runtimes.interface import cores
from webportal.inference.claims import ClaimedJob
from workers.loading import load_input

MAX_DECODERS = 16


@dataclass(frozen=True)
class Batch:
    """Claimed jobs whose files are being read and decoded."""

    jobs: Sequence[ClaimedJob]
    inputs: Sequence[Future[np.ndarray]]

    @property
    def is_retry(self) -> bool:
        """Whether this is a job that failed before; it is then the only one in the batch."""
        return self.jobs[0].attempt > 1

    @property
    def has_stat(self) -> bool:
        """Whether there are stat images among them."""
        return any(job.is_stat for job in self.jobs)


class Decoders:
    """Threads, as many as cores, which start with the first batch, after the fork."""

    def __init__(self) -> None:
        most = min(cores(), MAX_DECODERS)
        self._threads = ThreadPoolExecutor(most, "decoder")
        # Images that pass a batch must not wait for that batch's files.
        self._passing_threads = ThreadPoolExecutor(most, "passing decoder")

    def begin(self, jobs: Sequence[ClaimedJob], size: int, *, passing: bool = False) -> Batch:
        """Start reading the files of these jobs into inputs of (size, size)."""
        threads = self._passing_threads if passing else self._threads
        inputs = [threads.submit(load_input, job.dicom_key, job.dicom_sha256, size) for job in jobs]
        return Batch(jobs, inputs)
