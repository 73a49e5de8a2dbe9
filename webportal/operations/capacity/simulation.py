"""A simulation of the queue and its workers, with the rules of `claims.py` and `workers/engine.py`.

SimPy keeps the simulated clock and runs the workers, with one event for each batch rather than for
each image: arrivals are computed beforehand, and a claim admits whatever has arrived by then.
"""

import itertools
import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import simpy
from numpy.typing import NDArray

from webportal.operations.capacity.arrivals import Arrivals
from webportal.operations.capacity.assumptions import (
    Assumptions,
    BatchTime,
    Faults,
    Scaling,
    WorkerSpeed,
)
from webportal.operations.capacity.simulated_queue import SimulatedQueue

# The autoscaler of Kubernetes doubles the number of pods, or adds four, within 15 s; the chart
# removes one in a minute.
_DOUBLE, _ADD = 2, 4
_REMOVE_SECONDS = 60.0

Steps = Generator[simpy.Event, None, None]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """What became of each image, in order of arrival, and what the workers did.

    `finished` is NaN for an image whose attempts were used up.
    """

    arrivals: Arrivals
    claimed: Floats
    finished: Floats
    batches: int
    busy_seconds: float
    worker_seconds: float
    most_workers: int

    @property
    def times(self) -> Floats:
        """Seconds from the upload to the result; infinite where there is none."""
        return np.nan_to_num(self.finished - self.arrivals.sent, nan=math.inf)

    @property
    def waits(self) -> Floats:
        """Seconds in the queue until a worker claimed the image."""
        return self.claimed - self.arrivals.queued

    def backlog(self, moments: Floats) -> Floats:
        """How many images were queued or on a worker at each of these moments."""
        ended = np.sort(self.finished[np.isfinite(self.finished)])
        arrived = np.searchsorted(self.arrivals.queued, moments, side="right")
        return (arrived - np.searchsorted(ended, moments, side="right")).astype(float)


def simulate(
    assumptions: Assumptions, workers: int, arrivals: Arrivals, random: np.random.Generator
) -> Run:
    """Run the queue until every image has a result or has used up its attempts.

    `workers` is their number, or the upper limit if they are scaled. Raises ValueError if it is 0.
    """
    if workers < 1:
        raise ValueError("The queue needs a worker.")
    return _System(assumptions, workers, arrivals, random).run()


@dataclass
class _Worker:
    """The state of a worker; `call` is the event that ends its idle time."""

    lost_at: float
    call: simpy.Event
    is_stopping: bool = False


@dataclass
class _System:
    assumptions: Assumptions
    most: int
    arrivals: Arrivals
    random: np.random.Generator
    env: simpy.Environment = field(default_factory=simpy.Environment)

    def __post_init__(self) -> None:
        self.speed: WorkerSpeed = self.assumptions.speed
        self.faults: Faults = self.assumptions.faults
        self.line = SimulatedQueue(self.arrivals)
        self.finished = [math.nan] * len(self.arrivals)
        self.open = len(self.arrivals)
        self.all_done = self.env.event()
        self.someone_idle = self.env.event()
        self.workers: list[_Worker] = []
        # The broker, too, gives a hint to whichever worker has waited longest.
        self.idle: deque[_Worker] = deque()
        self.batches = self.starting = self.most_workers = 0
        self.busy_seconds = self.worker_seconds = 0.0

    def run(self) -> Run:
        scaling = self.assumptions.scaling
        for _ in range(self.most if scaling is None else min(scaling.least, self.most)):
            self._add_worker()
        if scaling is not None:
            self.env.process(self._scale(scaling))
        self.env.process(self._send_hints())
        if self.open:
            self.env.run(until=self.all_done)
        self.worker_seconds += len(self.workers) * self.env.now
        return Run(
            self.arrivals,
            np.array(self.line.claimed),
            np.array(self.finished),
            self.batches,
            self.busy_seconds,
            self.worker_seconds,
            self.most_workers,
        )

    # ── Workers ─────────────────────────────────────────────────────────────────────────────────

    def _add_worker(self) -> None:
        worker = _Worker(self._next_loss(), self.env.event())
        self.workers.append(worker)
        self.most_workers = max(self.most_workers, len(self.workers))
        self.worker_seconds -= self.env.now
        self.env.process(self._work(worker))

    def _work(self, worker: _Worker) -> Steps:
        """The loop of a worker: process the claimed batch while the next one is claimed ahead."""
        ahead: list[int] = []
        is_first = True
        while not worker.is_stopping:
            is_following = bool(ahead)
            batch = ahead or self._claim()
            if not batch:
                yield from self._idle(worker)
                is_first = True
                continue
            is_retry = self.line.attempts[batch[0]] > 1
            if is_first and (is_retry or len(batch) == self.speed.batch_size):
                self._hint()
                is_first = False
            may_claim = self.speed.claims_ahead and not is_retry
            ahead = self._claim(busy=True) if may_claim else []
            time = self.speed.following if is_following else self.speed.alone
            may_claim_at = self.env.now
            if len(batch) < self.speed.batch_size:
                may_claim_at += self.speed.gather
            is_alive = yield from self._carry_out(worker, batch, time, ahead, is_last=not ahead)
            if is_alive and ahead:
                is_alive = yield from self._let_stat_pass(worker, ahead)
            elif is_alive:
                yield self._until(may_claim_at)
            if not is_alive:
                ahead, is_first = [], True
        for job in ahead:
            self.line.attempts[job] -= 1
        self._return_to_line(ahead)
        self._hint()
        self.workers.remove(worker)
        self.worker_seconds += self.env.now

    def _carry_out(
        self,
        worker: _Worker,
        batch: Sequence[int],
        time: BatchTime,
        ahead: Sequence[int],
        *,
        is_last: bool,
    ) -> Generator[simpy.Event, None, bool]:
        """Process a batch; return False if the worker was lost meanwhile, with all its jobs."""
        seconds = self._drawn(time, len(batch))
        if worker.lost_at < self.env.now + seconds:
            yield from self._be_lost(worker, [*batch, *ahead])
            return False
        yield self.env.timeout(seconds)
        self._finish(batch)
        if is_last:
            closing = self._drawn(self.speed.closing, len(batch))
            seconds += closing
            yield self.env.timeout(closing)
        self.busy_seconds += seconds
        return True

    def _let_stat_pass(
        self, worker: _Worker, ahead: Sequence[int]
    ) -> Generator[simpy.Event, None, bool]:
        """Process up to a batch of stat images that came in after `ahead` was claimed.

        Returns False if the worker was lost meanwhile.
        """
        left = 0 if any(map(self.line.is_stat, ahead)) else self.speed.batch_size
        while left and not worker.is_stopping:
            batch = self.line.claim(left, self.env.now, busy=True, stat_only=True)
            if not batch:
                break
            alone = self.speed.alone
            if not (yield from self._carry_out(worker, batch, alone, ahead, is_last=True)):
                return False
            left -= len(batch)
        return True

    def _claim(self, *, busy: bool = False) -> list[int]:
        return self.line.claim(self.speed.batch_size, self.env.now, busy=busy)

    def _idle(self, worker: _Worker) -> Steps:
        """Wait for a hint; a worker that was lost meanwhile leaves it to another."""
        worker.call = self.env.event()
        self.idle.append(worker)
        if not self.someone_idle.triggered:
            self.someone_idle.succeed()
        yield worker.call
        if worker.lost_at > self.env.now:
            yield self.env.timeout(self.speed.wake)
            return
        back_at = worker.lost_at + self.faults.back_seconds
        worker.lost_at = self._next_loss(back_at)
        self._hint()
        yield self._until(back_at)

    def _finish(self, batch: Sequence[int]) -> None:
        self.batches += 1
        failing = self.faults.failing
        failed = [job for job in batch if failing and self.random.random() < failing]
        for job in set(batch).difference(failed):
            self.finished[job] = self.env.now
        self._close(len(batch) - len(failed))
        self._return_to_line(failed)

    def _return_to_line(self, jobs: Sequence[int]) -> None:
        """Queue jobs again, except those whose attempts are used up."""
        again = [job for job in jobs if self.line.attempts[job] < self.faults.most_attempts]
        for job in again:
            self.line.put_back(job)
        if again:
            self._hint()
        self._close(len(jobs) - len(again))

    def _close(self, jobs: int) -> None:
        self.open -= jobs
        if not self.open and not self.all_done.triggered:
            self.all_done.succeed()

    # ── Hints ───────────────────────────────────────────────────────────────────────────────────

    def _send_hints(self) -> Steps:
        """Wake an idle worker for each image that arrives while one is idle."""
        while True:
            if not self.idle:
                self.someone_idle = self.env.event()
                yield self.someone_idle
                # The hints of earlier arrivals went to busy workers.
            arrival = self.line.next_arrival(self.env.now)
            if arrival is None:
                return
            yield self._until(arrival)
            self._hint()

    def _hint(self) -> None:
        """Wake an idle worker, if there is one."""
        if self.idle:
            self.idle.popleft().call.succeed()

    # ── Faults ──────────────────────────────────────────────────────────────────────────────────

    def _next_loss(self, since: float | None = None) -> float:
        if not self.faults.lost_per_day:
            return math.inf
        start = self.env.now if since is None else since
        return start + float(self.random.exponential(86_400 / self.faults.lost_per_day))

    def _be_lost(self, worker: _Worker, jobs: Sequence[int]) -> Steps:
        """Leave the jobs to their lease, and be replaced after a while."""
        yield self._until(worker.lost_at)
        self.env.process(self._expire(jobs))
        yield self.env.timeout(self.faults.back_seconds)
        worker.lost_at = self._next_loss()

    def _expire(self, jobs: Sequence[int]) -> Steps:
        """Return the jobs with the first sweep after their lease has expired."""
        faults = self.faults
        since_heartbeat = float(self.random.uniform(0, faults.heartbeat_seconds))
        ends = self.env.now + faults.lease_seconds - since_heartbeat
        yield self._until(math.ceil(ends / faults.sweep_seconds) * faults.sweep_seconds)
        self._return_to_line(jobs)

    # ── Scaling ─────────────────────────────────────────────────────────────────────────────────

    def _scale(self, scaling: Scaling) -> Steps:
        """Scale with the number of unfinished jobs, at intervals, as KEDA and Kubernetes do."""
        polls = math.ceil(scaling.cooldown_seconds / scaling.polling_seconds)
        wanted: list[int] = []
        removed_at = -math.inf
        for number in itertools.count(1):
            yield self._until(number * scaling.polling_seconds)
            jobs = self._unfinished()
            needed = math.ceil(jobs / scaling.jobs_per_worker)
            if jobs <= scaling.activation_jobs:
                needed = 0
            wanted = [*wanted[-polls:], min(self.most, max(scaling.least, needed))]
            present = self.starting + sum(not each.is_stopping for each in self.workers)
            if wanted[-1] > present:
                add = min(wanted[-1], max(_DOUBLE * present, present + _ADD)) - present
                for _ in range(add):
                    self.env.process(self._start(scaling.start_seconds))
            elif max(wanted) < present and self.env.now >= removed_at + _REMOVE_SECONDS:
                self._stop_one()
                removed_at = self.env.now

    def _unfinished(self) -> int:
        """The number of jobs that have arrived and are not closed."""
        self.line.admit(self.env.now)
        return self.open - (len(self.arrivals) - self.line.arrived)

    def _start(self, seconds: float) -> Steps:
        self.starting += 1
        yield self.env.timeout(seconds)
        self.starting -= 1
        self._add_worker()

    def _stop_one(self) -> None:
        running = [each for each in self.workers if not each.is_stopping]
        if not running:
            return
        worker = self.idle[-1] if self.idle else running[-1]
        worker.is_stopping = True
        if worker in self.idle:
            self.idle.remove(worker)
            worker.call.succeed()

    # ── Times ───────────────────────────────────────────────────────────────────────────────────

    def _drawn(self, time: BatchTime, images: int) -> float:
        mean = time.seconds(images)
        if not time.spread:
            return mean
        shape = 1 / time.spread**2
        return mean * float(self.random.standard_gamma(shape)) / shape

    def _until(self, moment: float) -> simpy.Event:
        return self.env.timeout(max(moment - self.env.now, 0.0))
