"""python -m bench.limits: how much one portal and one database can accept.

Measures, without a worker so that the cores are free for uploads, and on PostgreSQL with its
default durability:

- transactions per second that append to the audit trail, whose head only one can lock at a time;
- entries verified per second;
- files per second that one portal accepts over REST: one at a time, and over several connections;
- the share of an upload's CPU time that its entries in the trail take;
- bytes of write-ahead log, rows and files of a study: for its upload, and for its result.
"""

import argparse
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.system import InferenceWorker, Portal, new_system, say
from bench.uploads import ProcessorTime, Sender, numbered, send_all

if TYPE_CHECKING:
    from django.http import HttpRequest

PICTURES = 20
TRANSACTIONS = 500
ROWS = range(1000, 2200, 60)
RESULT_SECONDS = 300


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    parser.add_argument("--files", type=int, default=150, help="files to send")
    parser.add_argument("--connections", type=int, default=8, help="concurrent connections")
    parser.add_argument(
        "--together", type=int, default=1, help="files per request with several connections"
    )
    parser.add_argument("--seconds", type=float, default=5, help="how long to append to the trail")
    parser.add_argument(
        "--entries", type=int, default=200_000, help="entries of the trail to verify"
    )
    options = parser.parse_args()
    with new_system() as (stack, folder, services):
        for threads in (1, 4, 8):
            commits, entries = _append(threads, options.seconds)
            say(f"{threads} at a time append {commits:.0f} transactions/s, {entries:.0f} entries/s")
        _verify(options.entries, services)
        _upload(stack, folder, services, options)
    return 0


def _append(threads: int, seconds: float) -> tuple[float, float]:
    """Transactions and entries per second; each transaction has the three entries of an upload."""
    from django.db import connection, transaction

    from webportal.audit.models import Action
    from webportal.audit.trail import Event, append_all

    events = [Event(Action.JOB_QUEUED, "job", "0" * 32)] * 3
    end = time.perf_counter() + seconds

    def append() -> int:
        count = 0
        while time.perf_counter() < end:
            with transaction.atomic():
                append_all(events)
            count += 1
        connection.close()
        return count

    with ThreadPoolExecutor(threads) as pool:
        done = sum(future.result() for future in [pool.submit(append) for _ in range(threads)])
    return done / seconds, len(events) * done / seconds


def _verify(entries: int, services: dict[str, int]) -> None:
    """Append this many entries to the trail, and verify all of it."""
    from webportal.audit.models import Action
    from webportal.audit.trail import Event, append_all
    from webportal.audit.verification import verify
    from webportal.origin import answering

    events = [
        Event(
            Action.IMAGE_VIEWED, "radiograph", uuid.uuid4(), uuid.uuid4(), {"n": n, "way": "page"}
        )
        for n in range(1000)
    ]
    with answering(_request()):
        for _thousand in range(entries // len(events)):
            append_all(events)
    postgresql = ProcessorTime({"postgresql": services["postgresql"]})
    started, spent, before = time.perf_counter(), time.process_time(), postgresql().total()
    verdict = verify()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - spent
    with_postgresql = cpu_seconds + (postgresql().total() - before) / 1000
    say(
        f"{verdict.entries:,} entries: {verdict.entries / seconds:,.0f} verified a second,"
        f" {verdict.entries / cpu_seconds:,.0f} per second of CPU time,"
        f" {verdict.entries / with_postgresql:,.0f} with PostgreSQL's"
    )


def _request() -> "HttpRequest":
    """A request as a script sends it, because entries record their origin."""
    from django.http import HttpRequest

    request = HttpRequest()
    request.META |= {"REMOTE_ADDR": "192.0.2.1", "HTTP_USER_AGENT": "a script"}
    return request


def _upload(
    stack: ExitStack, folder: Path, services: dict[str, int], options: argparse.Namespace
) -> None:
    # Can only be imported now that the settings exist.
    from bench import measures, pictures, records
    from webportal.accounts.services import create_token

    drawn = [pictures.as_jpeg(pictures.draw(n, rows)) for n, rows in enumerate(ROWS)]
    count = options.files
    files = [(f"{n}.jpeg", numbered(drawn[n % len(drawn)], n)) for n in range(2 * count + 10)]
    by = records.make_uploader()
    portal = Portal(stack, folder / "portal.log")
    api = measures.Api(portal.port, create_token(by, "a script"))
    batch = api.post_json("/api/v1/batches", {"name": "bench"})["id"]
    token = create_token(by, "another script")
    spent = ProcessorTime({"portal": portal.pid} | services)

    def send(connections: int, chunk: Sequence[tuple[str, bytes]]) -> float:
        started = time.perf_counter()
        together = 1 if connections == 1 else options.together
        send_all(partial(Sender, portal.port, token, batch), connections, chunk, together)
        return time.perf_counter() - started

    send(1, files[:10])
    before, alone = spent(), send(1, files[10 : 10 + count // 3])
    say(f"one file at a time takes {1000 * alone / (count // 3):.0f} ms")
    _say_share(spent() - before, count // 3, services)
    before, size = spent(), _Size(folder)
    seconds = send(options.connections, files[10 + count : 10 + 2 * count])
    upload = spent() - before
    parts = ", ".join(f"{name} {milliseconds / count:.1f}" for name, milliseconds in upload.items())
    say(f"{options.connections} requests at a time: {count / seconds:.1f} files/s")
    say(f"CPU time per file, ms: {parts}")
    say(f"of an upload: {size.grown(count)}")
    _say_share(upload, count, services)
    size = _Size(folder)
    waiting = _open_jobs()
    InferenceWorker(stack, folder / "worker.log")
    started = time.perf_counter()
    while _open_jobs():
        time.sleep(0.1)
        if time.perf_counter() - started > RESULT_SECONDS:
            raise RuntimeError("Some images have no result.")
    say(f"of a result: {size.grown(waiting)}")


def _say_share(upload: Counter[str], files: int, services: dict[str, int]) -> None:
    """Append the entries of the last upload repeatedly; print their share of its CPU time.

    Args:
        upload: milliseconds of CPU time that the uploads took, by process.
        files: how many files were uploaded.
        together: how many files each request had.
        services: the process ids of the services.
    """
    from django.db import connection, transaction

    from webportal.audit.models import Action, AuditEntry
    from webportal.audit.trail import Event, append_all
    from webportal.origin import answering

    last = AuditEntry.objects.filter(action=Action.RADIOGRAPH_STORED).latest("sequence")
    # Entries that are appended together have the same time.
    entries = list(AuditEntry.objects.filter(at=last.at).order_by("sequence"))
    together = sum(each.action == Action.RADIOGRAPH_STORED for each in entries)
    events = [
        Event(Action(each.action), each.object_type, each.object_id, each.study_id, each.detail)
        for each in entries
    ]
    spent = ProcessorTime({"postgresql": services["postgresql"]})

    def cost(*, appends: bool) -> float:
        """Milliseconds of CPU time per transaction, here and in PostgreSQL."""
        here, there = time.process_time(), spent().total()
        for _ in range(TRANSACTIONS):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_logical_emit_message(true, '', 'something to commit')")
                if appends:
                    append_all(events)
        return (1000 * (time.process_time() - here) + spent().total() - there) / TRANSACTIONS

    with answering(_request()):
        cost(appends=True)  # fills caches
        appending = (cost(appends=True) - cost(appends=False)) / together
    whole = upload.total() / files
    say(
        f"{len(events) / together:.1f} entries of an upload take {appending:.2f} ms of CPU time,"
        f" {appending / whole:.1%} of {whole:.1f}; {together} a request"
    )


class _Size:
    """Bytes of write-ahead log, database and storage since this was made."""

    def __init__(self, folder: Path) -> None:
        self._measures: dict[str, Callable[[], int]] = {
            "write-ahead log": lambda: _number("SELECT pg_current_wal_insert_lsn() - '0/0'"),
            "database": lambda: _number("SELECT pg_database_size(current_database())"),
            "storage": lambda: sum(
                each.stat().st_size for each in (folder / "storage").rglob("*") if each.is_file()
            ),
        }
        self._before = {name: measure() for name, measure in self._measures.items()}

    def grown(self, count: int) -> str:
        """The growth per item, for `count` items, in words."""
        return ", ".join(
            f"{name} {(measure() - self._before[name]) / count / 1000:.1f} kB"
            for name, measure in self._measures.items()
        )


def _number(query: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


def _open_jobs() -> int:
    from webportal.inference.models import Job
    from webportal.inference.queue import OPEN_STATES

    return Job.objects.filter(state__in=OPEN_STATES).count()


if __name__ == "__main__":
    sys.exit(main())
