"""python -m bench.peers: Chestline beside LitServe, BentoML and Ray Serve.

Every peer serves the same network with the workers' code, batches the waiting requests, and keeps
everything in memory. Files are sent over HTTP on several connections,
100 at a time to one system after the other: to Chestline until the results are stored, to a peer
until it has answered. The peers get the files as Chestline stored them. Each has a virtual
environment of its own below `var/peers`, made at the first run; one that cannot be installed or
started is left out, with a message.
"""

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import psutil

from bench.bare import Loop
from bench.results import Run
from bench.system import InferenceWorker, Portal, new_system, say
from bench.uploads import (
    CHUNK,
    DIFFERENT_PICTURES,
    LARGEST,
    RESULT_SECONDS,
    SMALLEST,
    Measured,
    ProcessorTime,
    Sender,
    blocks_of,
    numbered,
    results_of,
    send_all,
)
from deploy.local.packages import LOCK, ROOT
from ml.serving.runtimes.interface import cores

if TYPE_CHECKING:
    from webportal.records.models import Radiograph

#: What `ml` needs for reading files and predicting; the versions are those of the lock.
NEEDED = ("numpy", "onnxruntime", "pydicom", "pillow", "simplejpeg", "python-gdcm", "tqdm")
START_SECONDS = 120


@dataclass(frozen=True)
class Peer:
    """What is installed, how it is started, and how a file is sent to it."""

    name: str
    package: str
    command: Sequence[str]
    path: str
    has_form: bool = False

    @property
    def folder(self) -> Path:
        """Its virtual environment."""
        name, _, _ = self.package.replace("[", "=").partition("=")
        return ROOT / "var" / "peers" / name


PEERS = (
    Peer(
        "LitServe", "litserve==0.2.19", ["python", "-m", "bench.peer_servers.litserve"], "/predict"
    ),
    Peer(
        "BentoML",
        "bentoml==1.4.40",
        [
            *("bentoml", "serve", "bench.peer_servers.bento:Server"),
            *("--host", "127.0.0.1", "--port"),
        ],
        "/answer",
        has_form=True,
    ),
    Peer("Ray Serve", "ray[serve]==2.60.0", ["python", "-m", "bench.peer_servers.ray"], "/"),
)


class LeftOutError(Exception):
    """A peer could not be installed or started; the message says why."""


class Running:
    """A peer that is up and answers requests."""

    def __init__(self, peer: Peer, port: int, process: int) -> None:
        self.peer = peer
        self.process = process
        self._port = port

    def send(self, files: Sequence[bytes], connections: int) -> None:
        """Send the files over this many connections. Raises RuntimeError if one is not answered."""
        waiting: SimpleQueue[bytes | None] = SimpleQueue()
        for file in files:
            waiting.put(file)
        for _ in range(connections):
            waiting.put(None)

        def work(_: int) -> None:
            with closing(
                http.client.HTTPConnection("127.0.0.1", self._port, timeout=RESULT_SECONDS)
            ) as connection:
                for file in iter(waiting.get, None):
                    self._post(connection, file)

        with ThreadPoolExecutor(connections) as threads:
            list(threads.map(work, range(connections)))

    def _post(self, connection: http.client.HTTPConnection, file: bytes) -> None:
        kind, body = "application/octet-stream", file
        if self.peer.has_form:
            boundary = uuid.uuid4().hex
            kind = f"multipart/form-data; boundary={boundary}"
            head = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.dcm"'
                "\r\nContent-Type: application/dicom\r\n\r\n"
            )
            body = head.encode() + file + f"\r\n--{boundary}--\r\n".encode()
        connection.request("POST", self.peer.path, body, {"Content-Type": kind})
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{self.peer.name}: {response.status} {answer[:200]!r}")


def main() -> int:
    """Measure, print the table, and return 1 if a peer answers more files per second."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="files for each system")
    parser.add_argument("--connections", type=int, default=16, help="concurrent connections")
    parser.add_argument("--together", type=int, default=8, help="files per request to Chestline")
    options = parser.parse_args()
    run = Run("bench.peers")
    with new_system() as (stack, folder, services):
        peers = []
        for peer in PEERS:
            try:
                _install(peer)
                peers.append(stack.enter_context(_started(peer, folder)))
            except LeftOutError as error:
                say(f"{peer.name} is left out: {error}")
        return 0 if _measure(stack, folder, services, peers, options, run) else 1


# ── Peers ───────────────────────────────────────────────────────────────────────────────────────


def _install(peer: Peer) -> None:
    stamp = peer.folder / "installed"
    if stamp.exists() and stamp.read_text() == peer.package:
        return
    say(f"Installing {peer.package} into {peer.folder.relative_to(ROOT)}")
    uv = [sys.executable, "-m", "uv"]
    python = str(peer.folder / "bin" / "python")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as locked:
        for line in LOCK.read_text().splitlines():
            if line.partition("==")[0] in NEEDED:
                locked.write(line.removesuffix("\\") + "\n")
        locked.flush()
        for command in (
            [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(peer.folder)],
            [
                *(*uv, "pip", "install", "--quiet", "--python", python),
                *("--constraints", locked.name, peer.package, *NEEDED),
            ],
        ):
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                raise LeftOutError(f"it could not be installed. {done.stderr.strip()[-300:]}")
    stamp.write_text(peer.package)


@contextmanager
def _started(peer: Peer, folder: Path) -> Iterator[Running]:
    """Start a peer, and end it with all its processes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program, *arguments = peer.command
    log = folder / f"{peer.name}.log"
    # None of them may send usage statistics.
    silent = {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(peer.folder / "bin" / program), *arguments, str(port)],
            cwd=ROOT,
            env=os.environ | silent | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise LeftOutError(f"it did not start. {log.read_text()[-300:]}")
            time.sleep(0.2)
        yield Running(peer, port, process.pid)
    finally:
        _end(process)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        everything = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        everything = []
    process.terminate()
    _, left = psutil.wait_procs(everything, timeout=10)
    for each in left:
        each.kill()
    process.kill()
    process.wait()


# ── Measuring ───────────────────────────────────────────────────────────────────────────────────


def _measure(
    stack: ExitStack,
    folder: Path,
    services: dict[str, int],
    peers: Sequence[Running],
    options: argparse.Namespace,
    run: Run,
) -> bool:
    # Can only be imported now that the settings exist.
    from bench import measures, pictures, records
    from webportal.accounts.services import create_token

    count: int = options.files
    different = min(count, DIFFERENT_PICTURES)
    step = (LARGEST - SMALLEST) // max(different - 1, 1)
    say(f"Drawing {different} phantoms")
    drawn = [
        pictures.as_jpeg(pictures.draw(number, SMALLEST + step * number))
        for number in range(different)
    ]
    by = records.make_uploader()
    portal = Portal(stack, folder / "portal.log")
    worker = InferenceWorker(stack, folder / "worker.log")
    loop = stack.enter_context(Loop())
    batch = measures.Api(portal.port, create_token(by, "a script")).post_json(
        "/api/v1/batches", {"name": "bench"}
    )["id"]
    token = create_token(by, "another script")

    def upload(first: int, number: int) -> "list[Radiograph]":
        numbers = range(first, first + number)
        files = [(f"{n}.jpeg", numbered(drawn[n % different], n)) for n in numbers]
        open_sender = partial(Sender, portal.port, token, batch)
        return results_of(send_all(open_sender, options.connections, files, options.together))

    processes = {"portal": portal.pid, "worker": worker.pid} | services
    ours = Measured(ProcessorTime(processes))
    bare = Measured(ProcessorTime({"loop": loop.pid}))
    measured = {each.peer.name: Measured(ProcessorTime({"peer": each.process})) for each in peers}
    paths = [records.file_of(each) for each in upload(0, 32)]
    loop.run(paths)
    for each in peers:
        each.send([path.read_bytes() for path in paths], options.connections)
    say(f"Sending {count} files to each system")
    for start in range(0, count, CHUNK):
        with ours:
            stored = upload(32 + start, min(CHUNK, count - start))
        paths = [records.file_of(each) for each in stored]
        files = [path.read_bytes() for path in paths]
        for each in peers:
            with measured[each.peer.name]:
                each.send(files, options.connections)
        with bare:
            loop.run(paths)
    return _report(count, {"bare loop": bare, "Chestline": ours} | measured, run)


def _report(count: int, systems: dict[str, Measured], run: Run) -> bool:
    say(f"\n{cores()} cores; load average {os.getloadavg()[0]:.1f}, the benchmark's own included\n")
    bare, ours = systems["bare loop"], systems["Chestline"]
    say("| | files/s | of the bare loop | CPU time per file, ms |")
    say("| --- | --- | --- | --- |")
    for name, each in systems.items():
        say(
            f"| {name} | {count / each.seconds:.1f} | {bare.seconds / each.seconds:.2f}"
            f" | {each.cpu.total() / count:.1f} |"
        )
    speeds = {name: each.speed(blocks_of(count)) for name, each in systems.items()}
    peers = [
        speeds[name]["per_second"] for name in systems if name not in ("bare loop", "Chestline")
    ]
    run.keep({"speeds": speeds, "targets": {"Chestline": max(peers)} if peers else {}})
    is_met = True
    for name, each in systems.items():
        if each not in (bare, ours):
            is_ahead = ours.seconds <= each.seconds
            is_met = is_met and is_ahead
            say(f"at least as many files per second as {name}: {'met' if is_ahead else 'MISSED'}")
    return is_met


if __name__ == "__main__":
    sys.exit(main())
