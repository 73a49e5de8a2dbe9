"""python -m chaos: injects random faults into the whole system.

Each run starts a fresh system and injects faults in an order determined by its seed. Failed seeds
are stored in a file and run first next time. Exits with 1 if an invariant was violated.
"""

import argparse
import multiprocessing
import random
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from chaos import clocks
from chaos.faults import FAULTS, SHORT
from chaos.rounds import RoundOutcome, run
from chaos.system import Limits
from deploy.local.system import ROOT

FAILED = ROOT / "var" / "chaos" / "failed-seeds"
FAULTS_OF_A_RUN = 10


def main() -> int:
    """Run until the time is up; print violations and recovery times."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    limits = Limits(options.lease, options.sweep)
    end = time.monotonic() + 60 * options.minutes
    outcomes: list[RoundOutcome] = []
    seeds = [options.seed] if options.seed is not None else [*_failed(), *_new_seeds()]
    for seed in seeds:
        faults = options.fault or (SHORT if options.short else _faults_of(seed, options.faults))
        outcome = _run_apart(seed, faults, options.jobs, limits)
        _tell(outcome)
        outcomes.append(outcome)
        if options.seed is None:
            _keep(seed, failed=bool(outcome.violations))
        if time.monotonic() > end:
            break
    _print_table(outcomes, limits)
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this seed only, once")
    parser.add_argument("--jobs", type=int, default=200, help="minimum number of images per run")
    parser.add_argument(
        "--minutes", type=float, default=30, help="start no new run after this time"
    )
    parser.add_argument("--faults", type=int, default=FAULTS_OF_A_RUN, help="faults per run")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="make this one")
    parser.add_argument("--short", action="store_true", help="only the faults of the short run")
    parser.add_argument("--lease", type=int, default=6, help="INFERENCE_LEASE_SECONDS")
    parser.add_argument("--sweep", type=int, default=2, help="SWEEP_SECONDS")
    return parser.parse_args()


def _faults_of(seed: int, count: int) -> list[str]:
    return random.Random(seed).sample(list(FAULTS), min(count, len(FAULTS)))


def _new_seeds() -> list[int]:
    return [random.SystemRandom().randrange(10**9) for _ in range(10_000)]


def _failed() -> list[int]:
    return [int(line) for line in FAILED.read_text().split()] if FAILED.exists() else []


def _keep(seed: int, *, failed: bool) -> None:
    seeds = [each for each in _failed() if each != seed]
    FAILED.parent.mkdir(parents=True, exist_ok=True)
    FAILED.write_text("".join(f"{each}\n" for each in ([seed] if failed else []) + seeds))


def _run_apart(seed: int, faults: Sequence[str], jobs: int, limits: Limits) -> RoundOutcome:
    """Run in a separate process, because Django can be set up only once per process."""
    wants_clocks = any("clock" in name for name in faults) and clocks.libfaketime() is not None
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        arguments = (seed, faults, jobs, limits)
        try:
            return pool.apply(run, arguments, {"clocks": wants_clocks})
        except Exception as error:  # an aborted run has failed
            return RoundOutcome(seed, violations=[f"{type(error).__name__}: {error}"])


def _tell(outcome: RoundOutcome) -> None:
    state = "FAILED" if outcome.violations else "passed"
    faults = len(outcome.recoveries)
    print(f"seed {outcome.seed}: {state}, {outcome.jobs} jobs, {faults} faults, {outcome.answers}")
    for line in (*outcome.violations, *(f"not made: {each}" for each in outcome.not_made)):
        print(f"    {line}")
    sys.stdout.flush()


def _print_table(outcomes: Sequence[RoundOutcome], limits: Limits) -> None:
    by_fault = defaultdict(list)
    for outcome in outcomes:
        for recovery in outcome.recoveries:
            by_fault[recovery.fault].append(recovery)
    jobs = sum(outcome.jobs for outcome in outcomes)
    print(
        f"\n{len(outcomes)} runs, {jobs} jobs; lease {limits.lease_seconds} s,"
        f" sweep every {limits.sweep_seconds} s. Seconds after the fault, median and longest:\n"
    )
    print("| fault | times | upload answered | its result | backlog done |")
    print("| --- | --- | --- | --- | --- |")
    for name in FAULTS:
        if found := by_fault[name]:
            columns = ("upload", "result", "backlog")
            cells = [_cell([getattr(each, column) for each in found]) for column in columns]
            print(f"| {name} | {len(found)} | {' | '.join(cells)} |")


def _cell(seconds: Sequence[float]) -> str:
    shown = [max(each, 0.0) for each in seconds]
    return f"{statistics.median(shown):.1f}, {max(shown):.1f}"


if __name__ == "__main__":
    sys.exit(main())
