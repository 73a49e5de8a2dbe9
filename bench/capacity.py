"""python -m bench.capacity: the capacity planner's simulation compared with the real queue.

Starts PostgreSQL, Valkey and one or more workers, each on a core of its own, and queues images at
random times (a Poisson process) at shares of what the workers can do. The simulation then gets the
same arrivals, once with the speeds that the planner reads from the results of that run, and once
with those of the other runs, as if planned beforehand. Finally stat images arrive behind a backlog
of routine ones. Prints how far the simulation is from what was measured.
"""

import argparse
import math
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.results import Run
from bench.system import InferenceWorker, new_system, say
from ml.serving.runtimes.interface import cores

if TYPE_CHECKING:
    from webportal.accounts.models import User
    from webportal.inference.models import Job
    from webportal.operations.capacity.assumptions import WorkerSpeed
    from webportal.operations.capacity.measured import ClosedJob
    from webportal.records.models import Radiograph

TARGET = 0.15
STAND_IN = "BENCH_STAND_IN"
DIFFERENT_FILES = 24
SENDERS = 4
REPLICATIONS = 20
#: Twenty full batches, so that they alone are enough for a speed.
BURST = 640
CLOSED_SECONDS = 300
FIGURES = ("mean", "p50", "p95")


class TooFewBatchesError(RuntimeError):
    """The jobs are too few to read a speed from them."""


@dataclass(frozen=True)
class Measurement:
    """One run: images queued per second, its jobs, and how many images were left at its end."""

    workers: int
    name: str
    rate: float
    jobs: "Sequence[ClosedJob]"
    load_average: float
    left: int = 0


@dataclass(frozen=True)
class Comparison:
    """One figure of a run in seconds: measured, and simulated with its own and others' speeds.

    Simulated is NaN where the jobs had too few batches for a speed.
    """

    workers: int
    run: str
    rate: float
    images: int
    kind: str
    figure: str
    measured: float
    own: float
    others: float
    load_average: float

    @property
    def is_met(self) -> bool:
        """Whether the time to the result, with the speeds of the same run, is close enough."""
        return self.kind == "wait" or abs(self.own / self.measured - 1) <= TARGET

    def cells(self) -> tuple[str, ...]:
        """Its row of the table."""
        return (
            f"{self.workers}",
            self.run,
            f"{self.rate:.1f}",
            f"{self.images}",
            f"{self.kind}, {self.figure}",
            f"{1000 * self.measured:.0f}",
            *self._cells_of(self.own),
            *self._cells_of(self.others),
            f"{self.load_average:.1f}",
        )

    def _cells_of(self, simulated: float) -> tuple[str, str]:
        if math.isnan(simulated):
            return "too few batches", ""
        return f"{1000 * simulated:.0f}", f"{simulated / self.measured - 1:+.0%}"


def main() -> int:
    """Measure, simulate, print the table, and return 1 when a deviation is over the target."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--loads", type=float, nargs="+", default=[0.5, 0.8])
    parser.add_argument("--seconds", type=int, default=40, help="of each run")
    parser.add_argument("--backlog", type=int, default=2000, help="routine images before the stat")
    options = parse(parser)
    run = Run("bench.capacity")
    with new_system() as (stack, folder, _):
        return 0 if _measure(stack, folder, options, run) else 1


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line with one more option: a wait in place of the network."""
    parser.add_argument(
        "--stand-in",
        metavar="BATCH,IMAGE",
        help="seconds to wait in place of running the network, for machines with other load",
    )
    options = parser.parse_args()
    if options.stand_in:
        os.environ[STAND_IN] = options.stand_in
    return options


def _measure(stack: ExitStack, folder: Path, options: argparse.Namespace, kept: Run) -> bool:
    # Can only be imported now that the settings exist.
    from bench import pictures, records

    say(f"Drawing {DIFFERENT_FILES} phantoms")
    by = records.make_uploader()
    # With a wait in place of the network only small ones: then only decoding takes CPU time.
    files = (
        pictures.stored_files(8)[:4] if options.stand_in else pictures.stored_files(DIFFERENT_FILES)
    )
    radiographs = records.store_radiographs(files, max(options.backlog + 100, 2000), by)
    found: list[Comparison] = []
    for number in range(1, max(options.workers) + 1):
        log = folder / f"worker-{number}.log"
        # A device of its own: the network runs one thread for each core that it may use.
        core = None if options.stand_in else (number - 1) % cores()
        application = "bench.stand_in" if options.stand_in else "workers.app"
        InferenceWorker(stack, log, f"worker@{number}", core, application)
        if number not in options.workers:
            continue
        runs = _runs(number, radiographs, by, options)
        for run in runs[1:]:
            others = [job for each in runs if each is not run for job in each.jobs]
            for comparison in _compare(run, others):
                found.append(comparison)
                say("  ".join(comparison.cells()))
    kept.keep({"target": TARGET, "comparisons": [asdict(each) for each in found]})
    is_met = all(each.is_met for each in found)
    say(f"\n{cores()} cores; load average {os.getloadavg()[0]:.1f}, the benchmark's own included\n")
    say(_table([each.cells() for each in found]))
    say(
        f"\neach deviation with the speeds of the same run at most {TARGET:.0%}: "
        f"{'met' if is_met else 'MISSED'}"
    )
    return is_met


def _runs(
    workers: int, radiographs: "Sequence[Radiograph]", by: "User", options: argparse.Namespace
) -> list[Measurement]:
    """A burst, which gives the capacity, then each load, then stat behind a backlog."""
    images = cycle(radiographs)
    first = timed(lambda: burst([next(images) for _ in range(BURST)], by))
    capacity = throughput(first)
    say(f"{workers} worker(s) analyse {capacity:.1f} images/s")
    runs = [Measurement(workers, "burst", capacity, first, os.getloadavg()[0])]
    for load in options.loads:
        rate = load * capacity
        jobs = timed(partial(send, images, by, rate, options.seconds))
        runs.append(Measurement(workers, f"{load:.0%}", rate, jobs, os.getloadavg()[0]))
    if options.backlog:
        jobs, left = _stat_behind(radiographs, by, options)
        name = f"stat behind {options.backlog}"
        runs.append(Measurement(workers, name, 1, jobs, os.getloadavg()[0], left))
    return runs


# ── Sending ─────────────────────────────────────────────────────────────────────────────────────


def timed(send: Callable[[], None]) -> "list[ClosedJob]":
    """Let `send` queue images; return their jobs when all are closed."""
    from django.utils import timezone

    from webportal.inference.models import Job
    from webportal.inference.queue import OPEN_STATES
    from webportal.operations.capacity.measured import closed_jobs

    since, started = timezone.now(), time.perf_counter()
    send()
    open_jobs = Job.objects.filter(state__in=OPEN_STATES)
    while open_jobs.exists():
        time.sleep(0.05)
        if time.perf_counter() - started > CLOSED_SECONDS:
            raise RuntimeError("Some images have no result.")
    jobs = closed_jobs(since, timezone.now() + timedelta(seconds=1))
    # The workers check the empty queue once more.
    time.sleep(1)
    return jobs


def throughput(jobs: "Sequence[ClosedJob]") -> float:
    """Images per second of workers that always had a full batch waiting.

    Counted from the first batch's results on: what happens before that, queueing the images among
    it, is not done for every batch.
    """
    ends = sorted(job.finished_at for job in jobs)
    later = sum(end > ends[0] for end in ends)
    return later / (ends[-1] - ends[0]).total_seconds()


def burst(radiographs: "Sequence[Radiograph]", by: "User") -> None:
    """Queue images in one transaction."""
    from django.db import transaction

    from webportal.inference.queue import enqueue

    with transaction.atomic():
        for radiograph in radiographs:
            enqueue(radiograph, by)


def send(images: "Iterator[Radiograph]", by: "User", rate: float, seconds: float) -> None:
    """Queue images at random times for `seconds`, each in its own transaction."""
    from django.db import connections

    from webportal.inference.queue import enqueue

    random = np.random.default_rng(1)
    with ThreadPoolExecutor(SENDERS) as threads:
        started, due = time.perf_counter(), 0.0
        while (due := due + float(random.exponential(1 / rate))) < seconds:
            time.sleep(max(0.0, started + due - time.perf_counter()))
            threads.submit(enqueue, next(images), by)
        for _ in range(SENDERS):
            threads.submit(connections.close_all)


def _stat_behind(
    radiographs: "Sequence[Radiograph]", by: "User", options: argparse.Namespace
) -> "tuple[list[ClosedJob], int]":
    """Queue stat images while many routine ones wait; return the jobs, and how many were left."""
    from django.utils import timezone

    from webportal.inference.models import Job, JobState
    from webportal.inference.queue import OPEN_STATES, enqueue
    from webportal.operations.capacity.measured import closed_jobs
    from webportal.records.choices import Priority
    from webportal.records.models import Study

    since = timezone.now()
    backlog, stat = radiographs[: options.backlog], radiographs[options.backlog :][:60]
    Study.objects.filter(radiographs__in=stat).update(priority=Priority.STAT)
    Job.objects.bulk_create(routine_job(radiograph, by, since) for radiograph in backlog)
    random = np.random.default_rng(2)
    for radiograph in stat:
        radiograph.study.priority = Priority.STAT
        enqueue(radiograph, by)
        time.sleep(float(random.uniform(0.1, 0.9)) * options.seconds / len(stat))
        if not Job.objects.filter(state=JobState.QUEUED, priority=Priority.ROUTINE).exists():
            break
    while Job.objects.filter(state__in=OPEN_STATES, priority=Priority.STAT).exists():
        time.sleep(0.05)
    waiting = Job.objects.filter(state=JobState.QUEUED)
    left = waiting.update(state=JobState.CANCELLED, finished_at=timezone.now())
    while Job.objects.filter(state__in=OPEN_STATES).exists():
        time.sleep(0.05)
    Study.objects.filter(radiographs__in=stat).update(priority=Priority.ROUTINE)
    return closed_jobs(since, timezone.now() + timedelta(seconds=1)), left


def routine_job(radiograph: "Radiograph", by: "User", at: datetime) -> "Job":
    """A job of routine priority, not stored yet."""
    from webportal.inference.models import Job

    return Job(
        id=uuid.uuid4(),
        radiograph=radiograph,
        study_id=radiograph.study_id,
        queued_at=at,
        created_by=by,
    )


# ── Comparing ───────────────────────────────────────────────────────────────────────────────────


def _compare(run: Measurement, others: "Sequence[ClosedJob]") -> Iterator[Comparison]:
    """The figures of a run; `others` are the jobs of the other runs."""
    from webportal.records.choices import Priority

    is_stat = np.array([job.priority == Priority.STAT for job in run.jobs])
    chosen = is_stat if is_stat.any() else np.ones(len(run.jobs), bool)
    own, before = _simulated(run, run.jobs), _simulated(run, others)
    for kind, end in (("wait", "started_at"), ("to result", "finished_at")):
        times = [(getattr(job, end) - job.queued_at).total_seconds() for job in run.jobs]
        real = _figures(np.array(times)[chosen])
        for figure in FIGURES:
            yield Comparison(
                run.workers,
                run.name,
                run.rate,
                int(chosen.sum()),
                kind,
                figure,
                real[figure],
                own[kind][figure],
                before[kind][figure],
                run.load_average,
            )


def _simulated(run: Measurement, measured_on: "Sequence[ClosedJob]") -> dict[str, dict[str, float]]:
    """What the simulation predicts for the same arrivals, with the speeds of these jobs.

    NaN if they are too few.
    """
    from webportal.operations.capacity.arrivals import Arrivals
    from webportal.operations.capacity.assumptions import Assumptions, Load
    from webportal.operations.capacity.simulation import simulate
    from webportal.records.choices import Priority

    jobs = sorted(run.jobs, key=lambda job: job.queued_at)
    first = jobs[0].queued_at
    queued = np.array([0.0] * run.left + [(job.queued_at - first).total_seconds() for job in jobs])
    priorities = np.array([Priority.ROUTINE] * run.left + [job.priority for job in jobs], np.int8)
    arrivals = Arrivals(queued, queued, priorities)
    is_stat = priorities == Priority.STAT
    chosen = is_stat if is_stat.any() else np.ones(len(queued), bool)
    try:
        assumptions = Assumptions(Load(1), speed_of(measured_on))
    except TooFewBatchesError:
        return {kind: dict.fromkeys(FIGURES, math.nan) for kind in ("wait", "to result")}
    found: dict[str, list[dict[str, float]]] = {"wait": [], "to result": []}
    for seed in range(REPLICATIONS):
        simulated = simulate(assumptions, run.workers, arrivals, np.random.default_rng(seed))
        found["wait"].append(_figures(simulated.waits[chosen]))
        found["to result"].append(_figures(simulated.times[chosen]))
    return {
        kind: {figure: float(np.mean([each[figure] for each in runs])) for figure in FIGURES}
        for kind, runs in found.items()
    }


def speed_of(jobs: "Sequence[ClosedJob]") -> "WorkerSpeed":
    """The speed that the planner reads from jobs. Raises TooFewBatchesError."""
    from webportal.operations.capacity.measured import devices

    found = devices(jobs)
    if not found:
        raise TooFewBatchesError("There were too few batches to measure the speed.")
    return found[0].speed


def _figures(seconds: "np.ndarray") -> dict[str, float]:
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"mean": float(seconds.mean()), "p50": float(p50), "p95": float(p95)}


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    heads = (
        *("workers", "load", "images/s", "images", "figure", "measured, ms"),
        *("own speeds", "", "other runs'", "", "load average"),
    )
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
