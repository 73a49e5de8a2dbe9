"""The process that works through the inputs; an input may kill it."""

import os
import resource
import signal
import time
from hashlib import sha256
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from typing import Any

from deploy.local.system import ROOT
from fuzz import corruption, phantoms
from fuzz.settings import set_up

FOUND = ROOT / "var" / "fuzz" / "found"
# As in webportal.intake.checks.sandbox: exceeding them ends the process.
SECONDS, BYTES = 30, 2 * 1024**3
REPORTED_EVERY = 200


def work(
    kinds: list[str],
    number: int,
    last: int,
    seconds: float,
    current: "Synchronized[int]",
    results: Any,
    is_again: bool,
) -> None:
    """Process inputs, one after the other; their outcomes go into `results`."""
    set_up()
    _be_silent()
    if is_again:
        for path in sorted(FOUND.glob("*-*")) if FOUND.exists() else []:
            _process(path.name.split("-")[0], path.read_bytes(), results)
    for kind in kinds:  # one-time loading and drawing count towards no input
        for good in phantoms.good(kind):
            _process(kind, good, results)
    _limit_memory()
    end = time.monotonic() + seconds
    counted: dict[str, list[float]] = {}
    for each in range(number, last):
        if time.monotonic() > end:
            break
        current.value = each
        kind = kinds[each % len(kinds)]
        cost = _process(kind, corruption.corrupted(kind, Random(each)), results)
        so_far = counted.setdefault(kind, [0, 0, 0])
        so_far[0] += 1
        so_far[1:] = max(so_far[1], cost[0]), max(so_far[2], cost[1])
        if so_far[0] == REPORTED_EVERY:
            results.put((kind, *counted.pop(kind)))
    for kind, values in counted.items():
        results.put((kind, *values))


def _process(kind: str, data: bytes, results: Any) -> tuple[float, int]:
    from fuzz import targets

    # SIGPROF ends the process, native code or not.
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        cost = targets.process(kind, data)
    except Exception as error:  # unexpected errors are what the fuzzer looks for
        results.put(("harm", f"{kind}: {targets.place_of(error)}", str(keep(kind, data))))
        return 0.0, 0
    return cost.seconds, cost.grown_bytes


def keep(kind: str, data: bytes) -> Path:
    """Keep an input under its hash; return where."""
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{kind}-{sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, resource.RLIM_INFINITY))


def _be_silent() -> None:
    # The decoders write warnings to stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
