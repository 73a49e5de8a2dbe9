"""python -m fuzz: takes in spoilt phantoms by the thousand, and keeps those that do harm.

Each input follows from its number alone. Inputs that did harm are kept in var/fuzz/found and are
taken in first the next time. Exits with 1 when one does harm.
"""

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from queue import Empty
from random import Random, SystemRandom
from typing import Any

from deploy.local.system import ROOT
from fuzz import phantoms, spoiling
from fuzz.settings import set_up

FOUND = ROOT / "var" / "fuzz" / "found"
# As webportal.intake.checks.sandbox has them: what goes beyond ends the process.
SECONDS, BYTES = 30, 2 * 1024**3
REPORTED_EVERY = 200

_context = multiprocessing.get_context("spawn")


def main() -> int:
    """Fuzz until the time is up or the inputs are through; print what did harm, and the cost."""
    options = _options()
    first = SystemRandom().randrange(2**48) if options.seed is None else options.seed
    print(f"from input {first} on", flush=True)
    end = time.monotonic() + 60 * options.minutes
    tally = _Tally()
    number, last = first, first + options.inputs
    is_again = True
    while number < last and time.monotonic() < end:
        number = _chunk(options.kind or list(phantoms.KINDS), number, last, end, tally, is_again)
        is_again = False
    tally.tell()
    return 1 if tally.harm else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="how many inputs")
    parser.add_argument("--minutes", type=float, default=60, help="for how long at most")
    parser.add_argument("--seed", type=int, help="the number of the first input")
    parser.add_argument("--kind", action="append", choices=phantoms.KINDS, help="of these only")
    return parser.parse_args()


class _Tally:
    """What came of the inputs."""

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.slowest: dict[str, float] = {}
        self.largest: dict[str, int] = {}
        self.harm: Counter[str] = Counter()

    def add(self, kind: str, count: int, seconds: float, grown_bytes: int) -> None:
        self.inputs[kind] += count
        self.slowest[kind] = max(self.slowest.get(kind, 0), seconds)
        self.largest[kind] = max(self.largest.get(kind, 0), grown_bytes)

    def note(self, what: str, where: Path) -> None:
        self.harm[what] += 1
        if self.harm[what] == 1:
            print(f"HARM: {what}\n    {where}", flush=True)

    def tell(self) -> None:
        print("\n| kind | inputs | slowest, s | most memory beyond the start, MB |")
        print("| --- | --- | --- | --- |")
        for kind, count in self.inputs.items():
            megabytes = self.largest[kind] / 1e6
            print(f"| {kind} | {count} | {self.slowest[kind]:.2f} | {megabytes:.0f} |")
        for what, count in self.harm.most_common():
            print(f"{count} times: {what}")


def _chunk(
    kinds: list[str], number: int, last: int, end: float, tally: _Tally, is_again: bool
) -> int:
    """Take inputs in, in a process of its own, until it ends; return the number of the next."""
    current: Synchronized[int] = _context.Value("q", number)
    results: Any = _context.Queue()
    arguments = (kinds, number, last, end - time.monotonic(), current, results, is_again)
    process = _context.Process(target=_work, args=arguments)
    process.start()
    while process.is_alive() or not results.empty():
        try:
            kind, *rest = results.get(timeout=0.5)
        except Empty:
            continue
        if kind == "harm":
            tally.note(rest[0], Path(rest[1]))
        else:
            tally.add(kind, *rest)
    process.join()
    if process.exitcode == 0:
        return last
    died_at = current.value
    kind = kinds[died_at % len(kinds)]
    data = spoiling.spoilt(kind, Random(died_at))
    tally.note(f"{kind}: the process ended with {process.exitcode}", _keep(kind, data))
    return died_at + 1


def _work(
    kinds: list[str],
    number: int,
    last: int,
    seconds: float,
    current: "Synchronized[int]",
    results: Any,
    is_again: bool,
) -> None:
    set_up()
    _be_silent()
    if is_again:
        for path in sorted(FOUND.glob("*-*")) if FOUND.exists() else []:
            _take_in(path.name.split("-")[0], path.read_bytes(), results)
    for kind in kinds:  # what is loaded and drawn once counts for no input
        for good in phantoms.good(kind):
            _take_in(kind, good, results)
    _limit_memory()
    end = time.monotonic() + seconds
    counted: dict[str, list[float]] = {}
    for each in range(number, last):
        if time.monotonic() > end:
            break
        current.value = each
        kind = kinds[each % len(kinds)]
        cost = _take_in(kind, spoiling.spoilt(kind, Random(each)), results)
        so_far = counted.setdefault(kind, [0, 0, 0])
        so_far[0] += 1
        so_far[1:] = max(so_far[1], cost[0]), max(so_far[2], cost[1])
        if so_far[0] == REPORTED_EVERY:
            results.put((kind, *counted.pop(kind)))
    for kind, values in counted.items():
        results.put((kind, *values))


def _take_in(kind: str, data: bytes, results: Any) -> tuple[float, int]:
    from fuzz import targets

    # SIGPROF ends the process, native code or not.
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        cost = targets.take_in(kind, data)
    except Exception as error:  # that is what is looked for
        results.put(("harm", f"{kind}: {targets.place_of(error)}", str(_keep(kind, data))))
        return 0.0, 0
    return cost.seconds, cost.grown_bytes


def _keep(kind: str, data: bytes) -> Path:
    from hashlib import sha256

    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{kind}-{sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, resource.RLIM_INFINITY))


def _be_silent() -> None:
    # The decoders complain on stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    sys.exit(main())
