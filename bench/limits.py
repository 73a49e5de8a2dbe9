"""python -m bench.limits: what one portal and one database take in.

Measures, without a worker so that the cores are free for uploads, and on PostgreSQL with its
default durability:

- transactions a second that append to the audit trail, whose head is locked by one at a time;
- entries a second that are verified;
- files a second that one portal takes in over REST: one at a time, and over several connections;
- write-ahead log, rows and stored bytes of a study: of its upload, and of its result.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.system import InferenceWorker, Portal, new_system, say
from bench.uploads import ProcessorTime, Sender, numbered, send_all

PICTURES = 20
ROWS = range(1000, 2200, 60)
RESULT_SECONDS = 300


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__)
    parser.add_argument("--files", type=int, default=150, help="files to send")
    parser.add_argument("--connections", type=int, default=8, help="connections that send at once")
    parser.add_argument("--together", type=int, default=1, help="files of a request, of several")
    parser.add_argument("--seconds", type=float, default=5, help="of appending to the trail")
    parser.add_argument("--entries", type=int, default=200_000, help="of the trail to be verified")
    options = parser.parse_args()
    with new_system() as (stack, folder, services):
        for threads in (1, 4, 8):
            commits, entries = _append(threads, options.seconds)
            say(f"{threads} at a time append {commits:.0f} transactions/s, {entries:.0f} entries/s")
        _verify(options.entries)
        _upload(stack, folder, services, options)
    return 0


def _append(threads: int, seconds: float) -> tuple[float, float]:
    """Transactions and entries a second, with the three entries of an upload in each."""
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


def _verify(entries: int) -> None:
    """Append this many entries to the trail, and verify all of it."""
    from webportal.audit.models import Action
    from webportal.audit.trail import Event, append_all
    from webportal.audit.verification import verify

    events = [Event(Action.STUDY_VIEWED, "study", "0" * 32, detail={"n": n}) for n in range(1000)]
    for _thousand in range(entries // len(events)):
        append_all(events)
    started, spent = time.perf_counter(), time.process_time()
    verdict = verify()
    seconds, of_processor = time.perf_counter() - started, time.process_time() - spent
    say(
        f"{verdict.entries:,} entries: {verdict.entries / seconds:,.0f} verified a second,"
        f" {verdict.entries / of_processor:,.0f} a second of processor"
    )


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
    alone = send(1, files[10 : 10 + count // 3])
    say(f"one file at a time takes {1000 * alone / (count // 3):.0f} ms")
    before, size = spent(), _Size(folder)
    seconds = send(options.connections, files[10 + count : 10 + 2 * count])
    after = spent()
    parts = ", ".join(f"{name} {(after[name] - before[name]) / count:.1f}" for name in after)
    say(f"{options.connections} requests at a time: {count / seconds:.1f} files/s")
    say(f"ms of processor for a file: {parts}")
    say(f"of an upload: {size.grown(count)}")
    size = _Size(folder)
    waiting = _open_jobs()
    InferenceWorker(stack, folder / "worker.log")
    started = time.perf_counter()
    while _open_jobs():
        time.sleep(0.1)
        if time.perf_counter() - started > RESULT_SECONDS:
            raise RuntimeError("Some images have no result.")
    say(f"of a result: {size.grown(waiting)}")


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
        """The growth for each of `count` things, in words."""
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
