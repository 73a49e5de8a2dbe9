"""The worklist with a hundred thousand studies, compared with a hundred.

Two portals, each with its own database, serve the same requests alternately. The full HTTP response
is timed: session, queries, templates.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from bench.many_studies import SEARCHES
from bench.system import Portal, new_system

FEW = 100
TARGET_MILLISECONDS = 100
WARM_UP = 3
ORDERS = ("urgency", "waiting", "newest", "probability", "name", "patient_id")


@dataclass(frozen=True)
class Timing:
    """Response times of one kind of request, in ms, with many studies and with few."""

    name: str
    many: list[float]
    few: list[float]

    @property
    def is_met(self) -> bool:
        """Whether 95 % of the responses with many studies were in time."""
        return percentile_95(self.many) < TARGET_MILLISECONDS


class Site:
    """A portal over a database with this many studies, with a radiologist signed in."""

    def __init__(self, stack: ExitStack, folder: Path, studies: int) -> None:
        environment = os.environ | {"DATABASE_URL": _create_database(f"worklist_{studies}")}
        command = [sys.executable, "-m", "bench.many_studies", str(studies)]
        filled = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        made: dict[str, Any] = json.loads(filled.stdout)
        # While its storage is empty, a portal that has images on record is not ready.
        storage = folder / "storage"
        storage.mkdir(exist_ok=True)
        (storage / "none").touch()
        self.places: dict[str, str] = made["places"]
        self._cookie = f"sessionid={made['session']}"
        self._port = Portal(stack, folder / f"worklist-{studies}.log", environment).port

    def get(self, query: dict[str, str], *, live: bool = False) -> float:
        """Request the worklist; return the milliseconds. Raises RuntimeError on failure."""
        headers = {"Cookie": self._cookie} | ({"HX-Request": "true"} if live else {})
        with closing(http.client.HTTPConnection("127.0.0.1", self._port)) as connection:
            connection.connect()
            started = time.perf_counter()
            connection.request("GET", f"/worklist?{urlencode(query)}", headers=headers)
            response = connection.getresponse()
            body = response.read()
            milliseconds = 1000 * (time.perf_counter() - started)
        if response.status != 200 or b"worklist-counts" not in body:
            raise RuntimeError(f"{query}: {response.status}")
        return milliseconds


def measure(stack: ExitStack, folder: Path, studies: int, requests: int) -> list[Timing]:
    """Time every kind of request this often, alternating between both sites."""
    few, many = Site(stack, folder, FEW), Site(stack, folder, studies)
    timings = []
    for name, query in kinds(many.places):
        baseline = query | {
            key: few.places[PLACES_OF[name]] for key in ("after", "before") if key in query
        }
        timing = Timing(name, [], [])
        for number in range(WARM_UP + requests):
            took = (many.get(query, live="live" in name), few.get(baseline, live="live" in name))
            if number >= WARM_UP:
                timing.many.append(took[0])
                timing.few.append(took[1])
        timings.append(timing)
    return timings


def kinds(places: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every kind of request: its name and its query."""
    for state in ("unread", "signed", "all"):
        yield f"tab {state}", {"state": state}
        for order in ORDERS:
            yield f"order {state}, {order}", {"state": state, "order": order}
            deep = {"state": state, "order": order, "after": places[f"{state} {order}"]}
            yield f"deep page {state}, {order}", deep
    back = {"order": "urgency", "before": places["unread urgency"]}
    yield "page before, unread, urgency", back
    yield "live update, unread", {"state": "unread"}
    filters = [
        {"category": "likely"},
        {"category": "none"},
        {"category": "not_assessable", "priority": "0"},
        {"priority": "0"},
        *({"queue": state} for state in ("queued", "running", "quarantined", "cancelled")),
        {"assigned": "me"},
        {"assigned": "none"},
        {"since": time.strftime("%Y-%m-%d")},
        {"until": "2001-01-01"},
    ]
    for state in ("unread", "all"):
        for each in filters:
            words = " ".join(f"{name}={value}" for name, value in each.items())
            yield f"filter {state}, {words}", {"state": state, **each}
    for key in SEARCHES:
        for state in ("unread", "all"):
            yield f"search {state}, {key}", {"state": state, "search": key}
    yield "search in the order of probability", {"order": "probability", "search": "common"}


PLACES_OF = {"page before, unread, urgency": "unread urgency"} | {
    f"deep page {state}, {order}": f"{state} {order}"
    for state in ("unread", "signed", "all")
    for order in ORDERS
}


def percentile_95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def kept(timings: list[Timing], studies: int) -> dict[str, Any]:
    """The figures to keep: p50 and p95 of each kind in ms."""

    def figures(values: list[float]) -> list[float]:
        return [statistics.median(values), percentile_95(values)]

    return {
        "target": TARGET_MILLISECONDS,
        "studies": [studies, FEW],
        "kinds": {each.name: [figures(each.many), figures(each.few)] for each in timings},
    }


def table(timings: list[Timing]) -> str:
    """The timings as a table, p50 and p95 in ms."""
    lines = [f"{'':44} {'many p50':>9} {'p95':>7} {'few p50':>9} {'p95':>7}  target p95 under 100"]
    for timing in timings:
        figures = [statistics.median(timing.many), percentile_95(timing.many)]
        figures += [statistics.median(timing.few), percentile_95(timing.few)]
        verdict = "met" if timing.is_met else "MISSED"
        lines.append(
            f"{timing.name:44} {figures[0]:9.1f} {figures[1]:7.1f} {figures[2]:9.1f}"
            f" {figures[3]:7.1f}  {verdict}"
        )
    return "\n".join(lines)


def _create_database(name: str) -> str:
    """Create a further database on the benchmark's server and return its URL."""
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    start, _, options = url.partition("?")
    return f"{start.rpartition('/')[0]}/{name}?{options}"


def main() -> int:
    """`python -m bench.worklist`: only this part of the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.worklist", description=__doc__)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=40, help="of each kind")
    options = parser.parse_args()
    with new_system() as (stack, folder, _):
        timings = measure(stack, folder, options.studies, options.requests)
    sys.stdout.write(table(timings) + "\n")
    return 0 if all(timing.is_met for timing in timings) else 1


if __name__ == "__main__":
    sys.exit(main())
