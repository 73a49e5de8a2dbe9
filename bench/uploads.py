"""python -m bench.uploads: full-size JPEGs from upload over REST to the last stored result.

The uploads, one file a request and several, and the drain of the queue alternate with the bare loop
over the same files, so that other load on the machine affects all of them. Besides images per
second it prints the CPU time per file in each process, which other load hardly changes.
"""

import argparse
import http.client
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psutil

from bench.bare import Loop
from bench.results import Run
from bench.system import InferenceWorker, Portal, new_system, say
from ml.serving.runtimes.interface import cores

if TYPE_CHECKING:
    from webportal.records.models import Radiograph

SMALLEST, LARGEST = 1000, 2200
DIFFERENT_PICTURES = 40
CHUNK = 100
UPLOAD_TARGET, DRAIN_TARGET = 0.85, 0.95
RESULT_SECONDS = 300


class ProcessorTime:
    """Milliseconds of CPU time of named processes with all their children, past and present.

    The portal's checks, which run in separate processes, are counted as `checks`.
    """

    def __init__(self, processes: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}

    def __call__(self) -> Counter[str]:
        """Milliseconds so far, by name."""
        spent: Counter[str] = Counter()
        for name, process in self._processes.items():
            _add(spent, name, process)
        return spent


def _add(spent: Counter[str], name: str, process: psutil.Process) -> None:
    try:
        if any("forkserver" in argument for argument in process.cmdline()):
            name = "checks"
        times = process.cpu_times()
        own, ended = times.user + times.system, times.children_user + times.children_system
        spent[name] += round(1000 * (own + ended))
        for child in process.children():
            _add(spent, name, child)
    except psutil.NoSuchProcess:
        pass


class Sender:
    """Sends files over REST on one persistent connection, as a script with a session does."""

    def __init__(self, port: int, token: str, batch: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RESULT_SECONDS)
        self._token, self._batch = token, batch

    def send(self, files: Sequence[tuple[str, bytes]]) -> list[str]:
        """Send JPEGs in one request, and return the ids of their radiographs.

        Raises RuntimeError if one is refused.
        """
        boundary = uuid.uuid4().hex
        body = b"".join(
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: image/jpeg\r\n\r\n".encode()
            + data
            + b"\r\n"
            for name, data in files
        )
        headers = {
            "Authorization": f"Token {self._token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        path = f"/api/v1/batches/{self._batch}/files"
        self._connection.request("POST", path, body + f"--{boundary}--\r\n".encode(), headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"POST {path}: {response.status} {answer.decode()}")
        items = json.loads(answer)["items"]
        for item in items:
            if item["verdict"] != "accepted":
                raise RuntimeError(f"{item['file_name']} was not accepted: {item['reason']}")
        return [str(item["radiograph"]) for item in items]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def numbered(picture: bytes, number: int) -> bytes:
    """The JPEG with its own comment (marker COM): a different file with the same image."""
    comment = f"phantom {number}".encode()
    return picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]


def send_all(
    open_sender: Callable[[], Sender],
    connections: int,
    files: Sequence[tuple[str, bytes]],
    together: int = 1,
) -> list[str]:
    """Send the files over this many new connections; return the ids of their radiographs.

    New ones, because the portal closes idle connections. `together`: how many files a request has.
    """
    waiting: SimpleQueue[Sequence[tuple[str, bytes]]] = SimpleQueue()
    for start in range(0, len(files), together):
        waiting.put(files[start : start + together])
    for _ in range(connections):
        waiting.put([])

    def work(_: int) -> list[str]:
        with closing(open_sender()) as sender:
            return [sent for some in iter(waiting.get, []) for sent in sender.send(some)]

    with ThreadPoolExecutor(connections) as threads:
        return [each for sent in threads.map(work, range(connections)) for each in sent]


def results_of(radiographs: Sequence[str]) -> "list[Radiograph]":
    """Wait until images have results; return them. Raises RuntimeError if that takes too long."""
    from webportal.inference.models import Prediction
    from webportal.records.models import Radiograph

    stored = list(Radiograph.objects.filter(pk__in=radiographs).select_related("study"))
    has_result = Prediction.objects.filter(radiograph__in=stored, is_current=True)
    give_up = time.perf_counter() + RESULT_SECONDS
    while has_result.count() < len(stored):
        if time.perf_counter() > give_up:
            raise RuntimeError("Some images have no result.")
        time.sleep(0.02)
    return stored


class Measured:
    """A context manager that adds up the seconds and CPU time spent within.

    Args:
        cpu_time: milliseconds of CPU time so far, by process.
    """

    def __init__(self, cpu_time: Callable[[], Counter[str]]) -> None:
        self._cpu_time = cpu_time
        #: The seconds of each time.
        self.times: list[float] = []
        self.cpu: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        """The seconds of all times."""
        return sum(self.times)

    def forget(self) -> None:
        """Start again with nothing, after a warm-up."""
        self.times.clear()
        self.cpu.clear()

    def speed(self, blocks: Sequence[int]) -> dict[str, Any]:
        """Files per second and CPU time per file, to be kept; `blocks`: files of each time."""
        return {
            "files": sum(blocks),
            "per_second": sum(blocks) / self.seconds,
            "blocks": [n / seconds for n, seconds in zip(blocks, self.times, strict=True)],
            "cpu_ms": {name: spent / sum(blocks) for name, spent in self.cpu.items()},
        }

    def __enter__(self) -> Self:
        self._before = self._cpu_time()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.times.append(time.perf_counter() - self._started)
        after = self._cpu_time()
        self.cpu.update({name: after[name] - self._before[name] for name in after})


def main() -> int:
    """Measure, print the table, and return 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.uploads", description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="files to send")
    parser.add_argument("--connections", type=int, default=8, help="connections that send at once")
    parser.add_argument("--together", type=int, default=8, help="files of a request with several")
    options = parser.parse_args()
    run = Run("bench.uploads")
    with new_system() as (stack, folder, services):
        return 0 if _measure(stack, folder, services, options, run) else 1


def _measure(
    stack: ExitStack, folder: Path, services: dict[str, int], options: argparse.Namespace, run: Run
) -> bool:
    # Can only be imported now that the settings exist.
    from bench import measures, pictures, records
    from webportal.accounts.services import create_token

    count: int = options.files
    say(f"Drawing {min(count, DIFFERENT_PICTURES)} phantoms")
    drawn = [
        pictures.as_jpeg(pictures.draw(number, rows))
        for number, rows in enumerate(_sizes(min(count, DIFFERENT_PICTURES)))
    ]

    def named(first: int, number: int) -> list[tuple[str, bytes]]:
        numbers = range(first, first + number)
        return [(f"{n}.jpeg", numbered(drawn[n % len(drawn)], n)) for n in numbers]

    by = records.make_uploader()
    portal = Portal(stack, folder / "portal.log")
    worker = InferenceWorker(stack, folder / "worker.log")
    loop = stack.enter_context(Loop())
    api = measures.Api(portal.port, create_token(by, "a script"))
    batch = api.post_json("/api/v1/batches", {"name": "bench"})["id"]
    token = create_token(by, "another script")

    def upload(files: Sequence[tuple[str, bytes]], together: int) -> "list[Radiograph]":
        open_sender = partial(Sender, portal.port, token, batch)
        return results_of(send_all(open_sender, options.connections, files, together))

    warm_up = [*upload(named(0, 8), 1), *upload(named(8, 8), options.together)]
    loop.run([records.file_of(radiograph) for radiograph in warm_up])
    time.sleep(measures.SETTLE_SECONDS)
    processes = {"portal": portal.pid, "worker": worker.pid} | services
    uploads = {together: Measured(ProcessorTime(processes)) for together in (1, options.together)}
    drain = Measured(ProcessorTime({"worker": worker.pid} | services))
    bare = Measured(ProcessorTime({"loop": loop.pid}))
    files = named(16, count)
    say(f"Sending {count} files of {sum(len(data) for _, data in files) // count // 1000} kB")
    for start in range(0, count, CHUNK):
        for together, system in uploads.items():
            # The same images, but other files.
            chunk = named(16 + start + together * count, min(CHUNK, count - start))
            with system:
                stored = upload(chunk, together)
            time.sleep(measures.SETTLE_SECONDS)
        with bare:
            loop.run([records.file_of(radiograph) for radiograph in stored])
        measures.through_the_queue(stored, by, drain)
    return _report(count, uploads, drain, bare, run)


def _sizes(count: int) -> list[int]:
    return [SMALLEST + (LARGEST - SMALLEST) * n // max(count - 1, 1) for n in range(count)]


def blocks_of(count: int) -> list[int]:
    """How many files are sent at a time, until all are sent."""
    return [min(CHUNK, count - start) for start in range(0, count, CHUNK)]


def _report(
    count: int, uploads: dict[int, Measured], drain: Measured, bare: Measured, run: Run
) -> bool:
    load = os.getloadavg()[0]
    say(f"\n{cores()} cores; load average {load:.1f}, the benchmark's own included\n")
    say(f"{'':36} {'files/s':>8} {'ratio':>6} {'CPU time per file, ms':>22}")
    loop_time = bare.cpu.total()
    ways = {f"upload to stored result, {n} per request": each for n, each in uploads.items()}
    systems = {"bare loop": bare, **ways, "queue to stored result": drain}
    for name, figure in systems.items():
        parts = ", ".join(f"{part} {spent / count:.1f}" for part, spent in figure.cpu.items())
        say(
            f"{name:36} {count / figure.seconds:8.1f} {bare.seconds / figure.seconds:6.2f}"
            f" {figure.cpu.total() / count:22.1f}  ({parts})"
        )
    say("\nCPU time of the loop / of the path of an upload:")
    for together, figure in uploads.items():
        say(f"{together} per request: {loop_time / figure.cpu.total():.2f}")
    met = True
    targets = [(name, figure, UPLOAD_TARGET) for name, figure in ways.items()]
    targets.append(("queue to stored result", drain, DRAIN_TARGET))
    blocks = blocks_of(count)
    loop_per_second = count / bare.seconds
    run.keep(
        {
            "speeds": {name: figure.speed(blocks) for name, figure in systems.items()},
            "targets": {name: target * loop_per_second for name, _, target in targets},
        }
    )
    for name, figure, target in targets:
        is_met = bare.seconds / figure.seconds >= target
        met = met and is_met
        say(f"{name}: ratio of at least {target}: {'met' if is_met else 'MISSED'}")
    return met


if __name__ == "__main__":
    sys.exit(main())
