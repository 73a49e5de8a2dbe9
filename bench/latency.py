"""python -m bench.latency: how long a result takes under load.

Starts PostgreSQL, Valkey, a portal and one worker. A stat study is uploaded over REST to the idle
system, and then behind a backlog of routine ones. After that images are queued at random times (a
Poisson process) at shares of what the worker can do, and the capacity planner's simulation gets the
same arrivals with the speeds of the same run.
"""

import argparse
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.capacity import (
    BURST,
    DIFFERENT_FILES,
    burst,
    parse,
    routine_job,
    send,
    speed_of,
    throughput,
    timed,
)
from bench.results import Run
from bench.system import InferenceWorker, Portal, new_system, say
from ml.serving.runtimes.interface import cores

if TYPE_CHECKING:
    from bench.measures import Api
    from webportal.accounts.models import User
    from webportal.operations.capacity.measured import ClosedJob
    from webportal.records.models import Radiograph

#: A stat study may take this many times as long as at idle, plus one batch.
FACTOR = 1.5
PERCENTILES = (50, 95, 99)
NAMES = [f"p{each}" for each in PERCENTILES]
REPLICATIONS = 10
STAT_ROWS = 1200


@dataclass(frozen=True)
class _Study:
    """A stat study, in seconds: from its upload to the result, and the parts of that.

    `batches` is how many batches were completed between its queueing and its result.
    """

    to_queue: float
    to_claim: float
    to_result: float
    in_all: float
    batches: int


def main() -> int:
    """Measure, print the tables, and return 1 if a stat study behind the backlog takes too long."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--backlog", type=int, default=10_000, help="routine images")
    parser.add_argument("--stat", type=int, default=20, help="stat studies, idle and behind it")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.2, 0.5, 0.8, 0.95])
    parser.add_argument("--seconds", type=int, default=30, help="of each load")
    options = parse(parser)
    run = Run("bench.latency")
    with new_system() as (stack, folder, _):
        return 0 if _measure(stack, folder, options, run) else 1


def _measure(stack: ExitStack, folder: Path, options: argparse.Namespace, run: Run) -> bool:
    # Can only be imported now that the settings exist.
    from bench import pictures, records
    from bench.measures import Api
    from webportal.accounts.services import create_token

    say(f"Making {options.backlog} studies")
    by = records.make_uploader()
    # With a wait in place of the network decoding is all that takes CPU time.
    files = (
        pictures.stored_files(8)[:4] if options.stand_in else pictures.stored_files(DIFFERENT_FILES)
    )
    radiographs = records.store_radiographs(files, max(options.backlog, BURST), by)
    portal = Portal(stack, folder / "portal.log")
    application = "bench.stand_in" if options.stand_in else "workers.app"
    InferenceWorker(stack, folder / "worker.log", application=application)
    jobs = timed(lambda: burst(radiographs[:BURST], by))
    capacity = throughput(jobs)
    say(f"The worker analyses {capacity:.1f} images/s\n")
    api = Api(portal.port, create_token(by, "a script"))
    is_met, stat = _stat(api, radiographs[: options.backlog], by, options.stat)
    loads = _loads(radiographs, by, jobs, capacity, options)
    run.keep({"images_per_second": capacity, "stat": stat, "loads": loads})
    say(f"\n{cores()} cores; load average {os.getloadavg()[0]:.1f}, the benchmark's own included")
    return is_met


# ── A stat study behind a backlog ───────────────────────────────────────────────────────────────


def _stat(
    api: "Api", backlog: "Sequence[Radiograph]", by: "User", count: int
) -> tuple[bool, dict[str, Any]]:
    """Print how long stat studies took; return whether it is met, and the figures to keep."""
    from django.conf import settings
    from django.utils import timezone

    from bench import pictures
    from webportal.inference.models import Job, JobState

    drawn = iter([pictures.as_jpeg(pictures.draw(20_000 + n, STAT_ROWS)) for n in range(2 * count)])
    upload = _uploading(api)
    idle = [upload(next(drawn)) for _ in range(count)]
    since = timezone.now()
    Job.objects.bulk_create((routine_job(each, by, since) for each in backlog), batch_size=2000)
    waiting = Job.objects.filter(state=JobState.QUEUED)
    left = [waiting.count()]
    began = time.perf_counter()
    # Wakes the worker.
    behind = [upload(next(drawn))]
    while len(behind) < count and (remaining := waiting.count()):
        left.append(remaining)
        behind.append(upload(next(drawn)))
    # The worker's batch time during this run: other load on the machine varies.
    done = len(backlog) - waiting.count()
    size: int = settings.INFERENCE_BATCH_SIZE
    batch = size * (time.perf_counter() - began) / done
    waiting.update(state=JobState.CANCELLED, finished_at=timezone.now())
    while Job.objects.filter(state=JobState.RUNNING).exists():
        time.sleep(0.05)
    limit = FACTOR * _median(idle, "in_all") + batch
    heads = ["stat study, ms", "studies", "routine waiting", "upload to result", "longest"]
    heads += ["upload to queue", "to claim", "to result", "batches meanwhile"]
    say(f"| {' | '.join(heads)} |")
    say(f"|{' --- |' * len(heads)}")
    for name, studies, waits in (
        ("idle", idle, "0"),
        (f"behind {len(backlog)}", behind, f"{max(left)} to {min(left)}"),
    ):
        parts = [_median(studies, part) for part in ("to_queue", "to_claim", "to_result")]
        times = [_median(studies, "in_all"), max(each.in_all for each in studies), *parts]
        cells = [name, len(studies), waits, *(f"{1000 * seconds:.0f}" for seconds in times)]
        cells.append(f"{_median(studies, 'batches'):.0f}")
        say(f"| {' | '.join(map(str, cells))} |")
    is_met = _median(behind, "in_all") <= limit
    say(
        f"\nmedian behind the backlog at most {FACTOR} times that at idle and a batch"
        f" of {1000 * batch:.0f} ms ({1000 * limit:.0f} ms): {'met' if is_met else 'MISSED'}\n"
    )
    seconds = {
        "idle": [each.in_all for each in idle],
        f"behind {len(backlog):,}": [each.in_all for each in behind],
    }
    return is_met, {"seconds": seconds, "limit": limit}


def _median(studies: "Sequence[_Study]", part: str) -> float:
    return float(statistics.median(getattr(study, part) for study in studies))


def _uploading(api: "Api") -> Callable[[bytes], _Study]:
    """Return a function that uploads a stat study and waits for its result."""
    from webportal.inference.models import Job, Prediction

    batch = api.post_json("/api/v1/batches", {"name": "stat", "priority": "stat"})["id"]

    def upload(picture: bytes) -> _Study:
        # The clock of the database, which is on this machine.
        began = time.time()
        [item] = api.post_file(f"/api/v1/batches/{batch}/files", picture)["items"]
        radiograph = uuid.UUID(item["radiograph"])
        result = Prediction.objects.filter(radiograph=radiograph, is_current=True)
        while not result.exists():
            time.sleep(0.005)
        in_all = time.time() - began
        job = Job.objects.get(radiograph=radiograph)
        assert job.started_at is not None
        assert job.finished_at is not None
        meanwhile = Job.objects.filter(
            finished_at__gt=job.queued_at, finished_at__lt=job.finished_at
        ).order_by()
        return _Study(
            job.queued_at.timestamp() - began,
            (job.started_at - job.queued_at).total_seconds(),
            (job.finished_at - job.started_at).total_seconds(),
            in_all,
            meanwhile.values("finished_at").distinct().count(),
        )

    return upload


# ── Loads ───────────────────────────────────────────────────────────────────────────────────────


def _loads(
    radiographs: "Sequence[Radiograph]",
    by: "User",
    full: "Sequence[ClosedJob]",
    capacity: float,
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Print and return what was measured at each load and predicted; `full`: jobs of a burst."""
    heads = ["load", "images", "queue to result", "measured, ms", "predicted, ms", "ratio"]
    say(f"| {' | '.join(heads)} |")
    say(f"|{' --- |' * len(heads)}")
    images = cycle(radiographs)
    kept = []
    for load in options.loads:
        jobs = timed(partial(send, images, by, load * capacity, options.seconds))
        times = [(job.finished_at - job.queued_at).total_seconds() for job in jobs]
        real, predicted = np.percentile(times, PERCENTILES), _predicted(jobs, full)
        for name, measured, runs in zip(PERCENTILES, real, predicted.T, strict=True):
            expected = runs.mean()
            say(
                f"| {load:.0%} | {len(jobs)} | p{name} | {1000 * measured:.0f}"
                f" | {1000 * expected:.0f} | {measured / expected:.2f} |"
            )
        kept.append(
            {
                "load": load,
                "images": len(jobs),
                "measured": dict(zip(NAMES, real.tolist(), strict=True)),
                "predicted": dict(zip(NAMES, predicted.T.tolist(), strict=True)),
            }
        )
    return kept


def _predicted(jobs: "Sequence[ClosedJob]", full: "Sequence[ClosedJob]") -> np.ndarray:
    """The percentiles of the simulation with the same arrivals and the speeds of the same run.

    A row for each replication.
    """
    from webportal.operations.capacity.arrivals import Arrivals
    from webportal.operations.capacity.assumptions import Assumptions, Load
    from webportal.operations.capacity.simulation import simulate

    ordered = sorted(jobs, key=lambda job: job.queued_at)
    first = ordered[0].queued_at
    queued = np.array([(job.queued_at - first).total_seconds() for job in ordered])
    arrivals = Arrivals(queued, queued, np.array([job.priority for job in ordered], np.int8))
    assumptions = Assumptions(Load(1), speed_of([*jobs, *full]))
    runs = [
        simulate(assumptions, 1, arrivals, np.random.default_rng(seed)).times
        for seed in range(REPLICATIONS)
    ]
    return np.array([np.percentile(times, PERCENTILES) for times in runs])


if __name__ == "__main__":
    sys.exit(main())
