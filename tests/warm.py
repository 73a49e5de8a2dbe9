"""Processes that need not import their libraries first, which takes most of a start.

They are forked from a process that has done so. It has loaded nothing of the project and no
settings: each process reads its own environment, loads the project, and checks its start.
"""

import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = [
    "celery.__main__",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.fixups.django",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "kombu.transport.redis",
    "numpy",
    "opentelemetry.sdk.trace",
    "PIL.Image",
    "redis",
    "requests",
    "yaml",
]
MOST_BYTES = 100_000


class WarmProcess:
    """A process of `start_warm`, which is used as a `subprocess.Popen`."""

    def __init__(self, reports: IO[str]) -> None:
        self._reports = reports
        self.pid = int(reports.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; TimeoutExpired if that does not come in time (seconds)."""
        status = self._ended_within(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._reports], [], [], seconds)[0]:
            self.returncode = int(self._reports.readline())
            self._reports.close()
        return self.returncode


def start_warm(
    module: str,
    arguments: list[str],
    environment: dict[str, str],
    output: IO[bytes] | IO[str],
    listener: socket.socket | None = None,
) -> WarmProcess | subprocess.Popen[bytes]:
    """Start `python -m module arguments` in a session of its own.

    A listener is added to the arguments as `--fd NUMBER`. With a PYTHONPATH, which decides what the
    libraries are, it imports them itself.
    """
    if environment.get("PYTHONPATH") != os.environ.get("PYTHONPATH"):
        return _start_cold(module, arguments, environment, output, listener)
    reports, reporting = os.pipe()
    given = [reporting, output.fileno(), *([] if listener is None else [listener.fileno()])]
    request = json.dumps([module, arguments, environment]).encode()
    socket.send_fds(_server(), [request], given)
    os.close(reporting)
    return WarmProcess(os.fdopen(reports))


def _start_cold(
    module: str,
    arguments: list[str],
    environment: dict[str, str],
    output: IO[bytes] | IO[str],
    listener: socket.socket | None,
) -> subprocess.Popen[bytes]:
    numbers = [] if listener is None else [listener.fileno()]
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments, *(f"--fd={number}" for number in numbers)],
        cwd=ROOT,
        env=environment,
        pass_fds=numbers,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@cache
def _server() -> socket.socket:
    """The connection to the process that forks, which ends when nobody has this any more."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-u", "-m", "tests.warm", str(its.fileno())]
    subprocess.Popen(command, cwd=ROOT, pass_fds=(its.fileno(),), stdin=subprocess.DEVNULL)
    its.close()
    return ours


def serve(requests: socket.socket) -> None:
    """Fork for each request; return in the processes that are to do what they were started for."""
    for library in LIBRARIES:
        importlib.import_module(library)
    signal.signal(signal.SIGCHLD, _forget_those_that_have_ended)
    # Ctrl-C is for the tests alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        request, given, _, _ = socket.recv_fds(requests, MOST_BYTES, 3)
        if not request:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork_and_report(*given)
            become(request, *given[1:])
            return
        for number in given:
            os.close(number)


def _forget_those_that_have_ended(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _fork_and_report(reporting: int, *others: int) -> None:
    """Return in a new process, which reports its number; report its exit status from this one."""
    pid = os.fork()
    if pid == 0:
        # First: whoever has its number may signal its session.
        os.setsid()
        os.write(reporting, b"%d\n" % os.getpid())
        os.close(reporting)
        return
    for number in (*others, 1, 2):
        os.close(number)
    _, status = os.waitpid(pid, 0)
    os.write(reporting, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(request: bytes, output: int, listener: int | None = None) -> None:
    """Run the program that was asked for, as `python -m` does."""
    module, arguments, environment = json.loads(request)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    if listener is not None:
        arguments += ["--fd", str(listener)]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
