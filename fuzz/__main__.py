"""python -m fuzz: processes thousands of corrupted phantoms, and keeps those that expose a fault.

Each input is derived from its number alone. Inputs that exposed a fault are kept in var/fuzz/found
and processed first the next time. Exits with 1 when a fault is found.
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from queue import Empty
from random import Random, SystemRandom
from typing import Any

from fuzz import corruption, phantoms
from fuzz.working import keep, work

_context = multiprocessing.get_context("spawn")


def main() -> int:
    """Fuzz until the time is up or all inputs are done; print the faults and the cost."""
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
    parser.add_argument("--minutes", type=float, default=60, help="time limit")
    parser.add_argument("--seed", type=int, help="the number of the first input")
    parser.add_argument("--kind", action="append", choices=phantoms.KINDS, help="of these only")
    return parser.parse_args()


class _Tally:
    """Counts, costs and faults of the inputs."""

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
            print(f"FAULT: {what}\n    {where}", flush=True)

    def tell(self) -> None:
        print("\n| kind | inputs | slowest, s | peak memory growth, MB |")
        print("| --- | --- | --- | --- |")
        for kind, count in self.inputs.items():
            megabytes = self.largest[kind] / 1e6
            print(f"| {kind} | {count} | {self.slowest[kind]:.2f} | {megabytes:.0f} |")
        for what, count in self.harm.most_common():
            print(f"{count} times: {what}")


def _chunk(
    kinds: list[str], number: int, last: int, end: float, tally: _Tally, is_again: bool
) -> int:
    """Work through inputs in a separate process until it ends; return the number of the next."""
    current: Synchronized[int] = _context.Value("q", number)
    results: Any = _context.Queue()
    arguments = (kinds, number, last, end - time.monotonic(), current, results, is_again)
    process = _context.Process(target=work, args=arguments)
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
    data = corruption.corrupted(kind, Random(died_at))
    tally.note(f"{kind}: the process ended with {process.exitcode}", keep(kind, data))
    return died_at + 1


if __name__ == "__main__":
    sys.exit(main())
