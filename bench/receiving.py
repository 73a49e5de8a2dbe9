"""python -m bench.receiving: images by C-STORE to Chestline's receiver and to Orthanc.

dcmtk's storescu sends the same files on several associations to one and then to the other, in
rounds; they take turns at being first. Chestline checks the calling AE and the header of each, and
responds once file and record are flushed to disk; Orthanc flushes its files, too, as it does by
default. What Chestline does after its response, decoding every image and queueing it for the model,
is timed separately. Both run on the same disk and start empty.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom

from bench.results import Run
from bench.system import new_system, say
from bench.uploads import Measured, ProcessorTime
from deploy.local.packages import ROOT
from ml.serving.runtimes.interface import cores
from tools.programs import ensure_program

if TYPE_CHECKING:
    from webportal.network.models import Node

AE_TITLE = "BENCH"
TARGET = 1.0
START_SECONDS, IMPORT_SECONDS = 60, 600
IMAGES_OF_A_STUDY = 2
_LISTENS = re.compile(r"Receiving as \S+ on port (\d+)")


class Peer:
    """A receiver of images: what its figures are called, its address and its process."""

    def __init__(self, name: str, ae_title: str, port: int, pid: int) -> None:
        self.name = name
        self.pid = pid
        self._called = ["-aet", AE_TITLE, "-aec", ae_title, "127.0.0.1", str(port)]

    def send(self, paths: Sequence[Path], associations: int) -> None:
        """Send files by as many storescu processes. Raises RuntimeError if one fails."""
        # Proposes only the transfer syntaxes that these files need, JPEG Baseline among them.
        command = ["storescu", "--required", "--propose-jpeg8", *self._called]
        senders = [
            subprocess.Popen(
                [*command, *map(str, paths[number::associations])],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for number in range(associations)
        ]
        for each in senders:
            output, _ = each.communicate()
            if each.returncode != 0:
                raise RuntimeError(f"{self.name} did not take every file: {output[-1000:]}")


def main() -> int:
    """Measure, print the table, and return 1 if Orthanc accepts more files per second."""
    parser = argparse.ArgumentParser(prog="python -m bench.receiving", description=__doc__)
    parser.add_argument("--files", type=int, default=60, help="files per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--associations", type=int, default=4, help="concurrent associations")
    parser.add_argument("--quiet", type=float, default=10, help="DICOM_STUDY_QUIET_SECONDS")
    options = parser.parse_args()
    for program, package in (("Orthanc", "orthanc"), ("storescu", "dcmtk")):
        if not ensure_program(program, package):
            say(f"{program} is not installed; nothing is measured.")
            return 0
    run = Run("bench.receiving")
    with new_system() as (_, folder, services):
        return 0 if _measure(folder, services, options, run) else 1


# ── Peers ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _receiver(folder: Path, quiet: float) -> Iterator[Peer]:
    """Chestline's receiver, as `make run` starts it."""
    log = folder / "receiver.log"
    command = [sys.executable, "manage.py", "receive_dicom", "--port", "0"]
    environment = os.environ | {
        "DICOM_STUDY_QUIET_SECONDS": str(quiet),
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while (listens := _LISTENS.search(log.read_text())) is None:
            _check(process, log, deadline)
        yield Peer("Chestline", "CHESTLINE", int(listens[1]), process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _orthanc(folder: Path) -> Iterator[tuple[Peer, int]]:
    """An Orthanc with default settings that listens on this machine only, and its HTTP port."""
    dicom, http_port = _free_port(), _free_port()
    storage = str(folder / "orthanc")
    configuration = {
        "StorageDirectory": storage,
        "IndexDirectory": storage,
        "DicomPort": dicom,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "DicomAlwaysAllowStore": False,
        "DicomCheckModalityHost": True,
        "DicomModalities": {"sender": [AE_TITLE, "127.0.0.1", 104]},
    }
    command = ["Orthanc", str(folder / "orthanc.json")]
    Path(command[1]).write_text(json.dumps(configuration))
    log = folder / "orthanc.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (_listens(dicom) and _listens(http_port)):
            _check(process, log, deadline)
        yield Peer("Orthanc", "ORTHANC", dicom, process.pid), http_port
    finally:
        process.terminate()
        process.wait()


def _check(process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    if process.poll() is not None or time.monotonic() > deadline:
        raise RuntimeError(f"A process of the benchmark did not start:\n{log.read_text()}")
    time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _count_of_orthanc(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/statistics")
    return int(json.loads(connection.getresponse().read())["CountInstances"])


# ── Measuring ───────────────────────────────────────────────────────────────────────────────────


def _measure(folder: Path, services: dict[str, int], options: argparse.Namespace, run: Run) -> bool:
    # Can only be imported now that the settings exist.
    from bench import pictures

    say(f"Drawing {options.files} phantoms")
    drawn = pictures.stored_files(options.files)
    _make_node()
    with _receiver(folder, options.quiet) as ours, _orthanc(folder) as (theirs, http_port):
        our_processes = {"receiver": ours.pid} | services
        answered, queued = (Measured(ProcessorTime(our_processes)) for _ in range(2))
        stored = Measured(ProcessorTime({"Orthanc": theirs.pid}))

        def send_to_both(number: int) -> float:
            """Send a round; return the seconds from the last response until all were queued."""
            wait = 0.0
            paths = _write_round(folder / "files", drawn, number)
            for peer in (ours, theirs) if number % 2 else (theirs, ours):
                with answered if peer is ours else stored:
                    peer.send(paths, options.associations)
                if peer is ours:
                    with queued:
                        wait = _wait_until_queued((number + 1) * options.files)
            return wait

        say("Warming up")
        send_to_both(0)
        for each in (answered, queued, stored):
            each.forget()
        say(f"Sending {options.files} files {options.rounds} times to each")
        waits = [send_to_both(number) for number in range(1, options.rounds + 1)]
        if _count_of_orthanc(http_port) != (options.rounds + 1) * options.files:
            raise RuntimeError("Orthanc does not have every file.")
    blocks = [options.files] * options.rounds
    speeds = {"Orthanc": stored.speed(blocks), "Chestline": answered.speed(blocks)}
    target = TARGET * speeds["Orthanc"]["per_second"]
    run.keep({"speeds": speeds, "targets": {"Chestline": target}})
    return _report(options, sum(map(len, drawn)), answered, stored, queued, waits)


def _make_node() -> "Node":
    from webportal.accounts.models import Role, User
    from webportal.network.nodes import create_node

    by = User.objects.create_user("bench-it", None, [Role.IT])
    return create_node(AE_TITLE, "storescu", ["127.0.0.1"], None, by)


def _write_round(folder: Path, drawn: Sequence[bytes], number: int) -> list[Path]:
    """Write the files of a round, with their own UIDs and patients."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    paths = []
    for at, data in enumerate(drawn):
        ds = pydicom.dcmread(BytesIO(data))
        study = at // IMAGES_OF_A_STUDY
        ds.StudyInstanceUID = f"1.2.826.0.1.{number}.{study}"
        ds.SeriesInstanceUID = f"{ds.StudyInstanceUID}.1"
        ds.SOPInstanceUID = f"{ds.SeriesInstanceUID}.{at}"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.PatientID = f"BENCH-{number}-{study}"
        paths.append(folder / f"{at}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def _wait_until_queued(count: int) -> float:
    """Wait until `count` instances are decoded, stored and queued; return the seconds.

    Raises RuntimeError if one is not imported.
    """
    from webportal.inference.models import Job
    from webportal.network.models import ReceivedInstance

    started = time.perf_counter()
    settled = ReceivedInstance.objects.exclude(settled_at=None)
    while settled.count() < count:
        if time.perf_counter() - started > IMPORT_SECONDS:
            raise RuntimeError("Some images were not imported.")
        time.sleep(0.02)
    seconds = time.perf_counter() - started
    if Job.objects.count() != count:
        raise RuntimeError(f"{count - Job.objects.count()} images were not queued.")
    return seconds


def _report(
    options: argparse.Namespace,
    size: int,
    answered: Measured,
    stored: Measured,
    queued: Measured,
    waits: Sequence[float],
) -> bool:
    count = options.files * options.rounds
    say(f"\n{count} files of {size // options.files // 1000} kB")
    say(f"{options.associations} associations, {options.files} files per round")
    say(f"{cores()} cores; load average {os.getloadavg()[0]:.1f}, the benchmark's own included\n")
    say("| | files/s | of Orthanc | CPU time per file, ms |")
    say("| --- | --- | --- | --- |")
    for name, each in (("Orthanc: stored", stored), ("Chestline: answered", answered)):
        parts = ", ".join(f"{part} {spent / count:.1f}" for part, spent in each.cpu.items())
        say(
            f"| {name} | {count / each.seconds:.1f} | {stored.seconds / each.seconds:.2f}"
            f" | {each.cpu.total() / count:.1f} ({parts}) |"
        )
    parts = ", ".join(f"{part} {spent / count:.1f}" for part, spent in queued.cpu.items())
    say(f"\nDecoding and queueing, CPU time per file, ms: {parts}")
    wait = statistics.median(waits)
    say(
        f"From the last response of a round until its {options.files} images are queued:"
        f" {wait:.1f} s, with {options.quiet:g} s in which nothing more of a study arrives"
    )
    ratio = stored.seconds / answered.seconds
    is_met = ratio >= TARGET
    say(f"files/s relative to Orthanc: at least {TARGET}: {'met' if is_met else 'MISSED'}")
    return is_met


if __name__ == "__main__":
    sys.exit(main())
