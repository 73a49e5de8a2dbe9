"""python -m bench.growth: the cost of a job in a database with few and with many results.

One database for each number of rows, filled by SQL: patients, studies, radiographs, jobs and
results. The same batches are then claimed, written back and summarised in all of them, in turn.
Prints the CPU time per job, of PostgreSQL's process and of Python's, and, from the plan of every
statement in the largest database, which tables are scanned sequentially.
"""

import argparse
import os
import re
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bench.results import Run
from bench.system import new_system, say

if TYPE_CHECKING:
    from webportal.accounts.models import User
    from webportal.inference.claims import ClaimedJob
    from webportal.inference.models import ModelVersion

BATCH = 32
BLOCK = 5
#: The cost with the most rows, by that with the fewest: an index of a million rows is one or two
#: levels deeper.
TARGET = 1.5
#: A sequential scan of a table with fewer rows costs nothing.
LARGE = 500
STEPS = ("claim", "write back", "summaries")
EXPLAIN = "EXPLAIN (FORMAT JSON) "

# A row for each n, copied from the one that exists; what is not named here stays as it is.
FILLED: dict[str, dict[str, str]] = {
    "records_patient": {"id": "md5('patient' || n)::uuid", "patient_id": "'G' || n"},
    "records_study": {
        "id": "md5('study' || n)::uuid",
        "patient_id": "md5('patient' || n)::uuid",
        "study_instance_uid": "'2.25.1' || n",
        "accession_number": "'A' || n",
        "created_at": "now() - n * interval '1 minute'",
        "performed_at": "now() - n * interval '1 minute'",
        "reading_state": "CASE WHEN n % 10 = 0 THEN 'unread' ELSE 'signed' END",
        "probability": "(n % 1000) / 1000.0",
    },
    "records_radiograph": {
        "id": "md5('radiograph' || n)::uuid",
        "study_id": "md5('study' || n)::uuid",
        "sop_instance_uid": "'2.25.2' || n",
        "original_sha256": "md5('a' || n) || md5('b' || n)",
    },
    "inference_job": {
        "id": "md5('job' || n)::uuid",
        "radiograph_id": "md5('radiograph' || n)::uuid",
        "study_id": "md5('study' || n)::uuid",
        "queued_at": "now() - n * interval '1 minute'",
        "finished_at": "now() - n * interval '1 minute'",
    },
    "inference_prediction": {
        "id": "md5('prediction' || n)::uuid",
        "radiograph_id": "md5('radiograph' || n)::uuid",
        "job_id": "md5('job' || n)::uuid",
        "probability": "(n % 1000) / 1000.0",
        "created_at": "now() - n * interval '1 minute'",
    },
}


@dataclass
class Costs:
    """What the steps cost in one database: ms of CPU time per job, in each round."""

    rows: int
    database: dict[str, list[float]] = field(default_factory=lambda: {each: [] for each in STEPS})
    python: dict[str, list[float]] = field(default_factory=lambda: {each: [] for each in STEPS})
    #: By step: the large tables that a statement scans sequentially, and the statement; in the
    #: database with the most rows.
    scans: dict[str, set[str]] = field(default_factory=lambda: {each: set() for each in STEPS})

    def both(self, step: str) -> list[float]:
        """The cost in both processes together, in each round."""
        pairs = zip(self.database[step], self.python[step], strict=True)
        return [sum(pair) for pair in pairs]

    def of(self, step: str) -> float:
        """The median of both processes together."""
        return statistics.median(self.both(step))


def main() -> int:
    """Fill, measure, print the table, and return 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=40, help="batches in each database")
    options = parser.parse_args()
    run = Run("bench.growth")
    with new_system():
        costs = _measure(sorted(options.rows), options.rounds)
    say(_table(costs))
    run.keep(
        {
            "target": TARGET,
            "databases": [
                {"rows": each.rows, "steps": {step: each.both(step) for step in STEPS}}
                for each in costs
            ],
        }
    )
    is_flat = all(costs[-1].of(step) <= TARGET * costs[0].of(step) for step in STEPS)
    scans = sorted({scan for step in STEPS for scan in costs[-1].scans[step]})
    say(
        f"\neach step with the most rows at most {TARGET} of that with the fewest: {_said(is_flat)}"
    )
    say(f"there, no sequential scan of a table of more than {LARGE} rows: {_said(not scans)}")
    for scan in scans:
        say(f"  {scan}")
    return 0 if is_flat and not scans else 1


def _said(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def _measure(rows: list[int], rounds: int) -> list[Costs]:
    names = {count: f"growth_{count}" for count in rows}
    by = _make_sample()
    for count, name in names.items():
        _create(name)
        started = time.perf_counter()
        with _database(name):
            _fill(count)
        say(f"Filled {name} in {time.perf_counter() - started:.0f} s")
    costs = {count: Costs(count) for count in rows}
    for done in range(0, rounds, BLOCK):
        for count, name in names.items():
            with _database(name):
                # A new connection has no table metadata cached yet.
                _round(by, None)
                for _ in range(min(BLOCK, rounds - done)):
                    _round(by, costs[count])
    # PostgreSQL scans a small table sequentially because that is faster.
    with _database(names[rows[-1]]):
        _round(by, costs[rows[-1]], is_explained=True)
    return list(costs.values())


# ── Databases ───────────────────────────────────────────────────────────────────────────────────


def _make_sample() -> "User":
    """One finished image, from which all others are copied."""
    from bench import records

    by = records.make_uploader()
    [radiograph] = records.store_radiographs([b"never read"], 1, by)
    _queue([radiograph], by)
    _finish(_claimed(), _model())
    return by


def _create(name: str) -> None:
    """Copy the prepared database."""
    from django.db import connection, connections

    prepared = connection.settings_dict["NAME"]
    connections.close_all()
    start, _, options = os.environ["DATABASE_URL"].partition("?")
    # A database that is copied may have no connections.
    url = f"{start.rpartition('/')[0]}/postgres?{options}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{prepared}"')


@contextmanager
def _database(name: str) -> Iterator[None]:
    """Redirect the connection to another database."""
    from django.db import connection

    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def _fill(count: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for table, made in FILLED.items():
            # The triggers that maintain the search text are not needed here.
            cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
                " AND is_generated = 'NEVER'",
                [table],
            )
            columns = [name for (name,) in cursor.fetchall()]
            values = ", ".join(made.get(name, f'sample."{name}"') for name in columns)
            names = ", ".join(f'"{name}"' for name in columns)
            cursor.execute(
                f'INSERT INTO "{table}" ({names}) SELECT {values}'  # noqa: S608
                f' FROM (SELECT * FROM "{table}" LIMIT 1) AS sample'
                f" CROSS JOIN generate_series(1, {count}) AS n"
            )
        for table in FILLED:
            cursor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
        # As autovacuum does within minutes.
        cursor.execute("VACUUM ANALYZE")


# ── Rounds ──────────────────────────────────────────────────────────────────────────────────────


def _round(by: "User", costs: Costs | None, *, is_explained: bool = False) -> None:
    """Queue, claim, write back and summarise a batch of new images."""
    from bench import records
    from webportal.inference.summary import refresh_summaries
    from webportal.records.models import Radiograph

    radiographs = records.store_radiographs([b"never read"], BATCH, by)
    _queue(radiographs, by)
    model = _model()
    jobs = _step(costs, "claim", _claimed, is_explained)
    _step(costs, "write back", lambda: _finish(jobs, model), is_explained)
    images = Radiograph.objects.filter(pk__in=[job.radiograph_id for job in jobs])
    studies = set(images.values_list("study_id", flat=True))
    _step(costs, "summaries", lambda: _summarise(refresh_summaries, studies), is_explained)


def _summarise(refresh: Callable[[Any], None], studies: set[uuid.UUID]) -> None:
    from django.db import transaction

    with transaction.atomic():
        refresh(studies)


def _queue(radiographs: Any, by: "User") -> None:
    from django.db import transaction

    from webportal.inference.queue import enqueue

    with transaction.atomic():
        for radiograph in radiographs:
            enqueue(radiograph, by)


def _model() -> "ModelVersion":
    from webportal.inference.models import ModelVersion

    return ModelVersion.objects.get(is_active=True)


def _claimed() -> "list[ClaimedJob]":
    from webportal.inference.claims import claim

    return claim("worker@bench", BATCH)


def _finish(jobs: "list[ClaimedJob]", model: "ModelVersion") -> None:
    from webportal.inference.claims import JobResult, write_back
    from webportal.reasons import Reason

    results = [JobResult(job, "unlikely", 0.05, Reason(""), bytes(49), 7, 7) for job in jobs]
    if write_back("worker@bench", "none", model, results) != len(jobs):
        raise RuntimeError("A result was not stored.")


def _step(costs: Costs | None, name: str, action: Callable[[], Any], is_explained: bool) -> Any:
    from django.db import connection

    if costs is None:
        return action()
    if is_explained:
        plans = _Plans()
        with connection.execute_wrapper(plans):
            result = action()
        costs.scans[name] |= plans.scans
        return result
    assert connection.connection is not None
    server = connection.connection.info.backend_pid
    before = _cpu_ns(server), time.process_time_ns()
    result = action()
    after = _cpu_ns(server), time.process_time_ns()
    costs.database[name].append((after[0] - before[0]) / 1e6 / BATCH)
    costs.python[name].append((after[1] - before[1]) / 1e6 / BATCH)
    return result


def _cpu_ns(process: int) -> int:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0])


class _Plans:
    """Runs EXPLAIN on every statement; keeps which large tables it scans sequentially."""

    def __init__(self) -> None:
        self.scans: set[str] = set()

    def __call__(
        self, execute: Any, sql: str, parameters: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql) and not many:
            with context["connection"].connection.cursor() as cursor:
                # Some are sent two at a time, of which the second would be carried out.
                cursor.execute(EXPLAIN + sql.replace("; ", f"; {EXPLAIN}"), parameters)
                plans = [plan for result in cursor.results() for [[plan]] in result.fetchall()]
                for node in [node for plan in plans for node in _nodes(plan["Plan"])]:
                    if node["Node Type"] == "Seq Scan" and self._is_large(cursor, node):
                        words = " ".join(sql.split())[:100]
                        self.scans.add(f"{node['Relation Name']}: {words}")
        return execute(sql, parameters, many, context)

    def _is_large(self, cursor: Any, node: dict[str, Any]) -> bool:
        relation = "SELECT reltuples FROM pg_class WHERE relname = %s"
        cursor.execute(relation, [node["Relation Name"]])
        return bool(cursor.fetchone()[0] > LARGE)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", []):
        yield from _nodes(each)


def _table(costs: list[Costs]) -> str:
    heads = ["step, ms of CPU time per job", *(f"{each.rows:,} rows" for each in costs), "ratio"]
    lines = [heads, ["---"] * len(heads)]
    for step in STEPS:
        for kind in ("PostgreSQL", "Python"):
            found = [
                statistics.median((each.database if kind == "PostgreSQL" else each.python)[step])
                for each in costs
            ]
            ratio = f"{found[-1] / found[0]:.2f}"
            lines.append([f"{step}, {kind}", *(f"{each:.2f}" for each in found), ratio])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
