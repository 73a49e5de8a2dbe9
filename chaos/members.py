"""The processes of the system, and the keeper that restarts them."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.local.service import Service

# The same delay as in deploy.local.supervisor after the first failure.
RESTART_SECONDS = 1.0


class Member:
    """A process of the system, in a separate session."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name, self._command, self._environment = name, command, environment
        self._log, self._pass_fds = log, pass_fds
        self.is_wanted = False
        self.restarts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_at: float | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process, and have it kept running."""
        with self._lock:
            self.is_wanted = True
            self._start()

    def kill(self) -> None:
        """Kill its whole session as a power cut would; the keeper may restart it."""
        with self._lock:
            self._kill()

    def stop(self) -> None:
        """Shut it down for good; kill it if that takes more than half a minute."""
        with self._lock:
            self.is_wanted = False
            if self._process is not None:
                self._process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(30)
            self._kill()

    def suspend(self) -> None:
        """Suspend the process and its children with SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the process and its children."""
        self._signal(signal.SIGCONT)

    def child(self) -> psutil.Process | None:
        """Its first child process, if any."""
        try:
            return psutil.Process(self._pid()).children()[0]
        except (psutil.Error, IndexError, ProcessLookupError):
            return None

    def keep_running(self) -> None:
        """Restart it after a short delay if it has ended and should be running."""
        with self._lock:
            if not self.is_wanted or self._process is None or self._process.poll() is None:
                return
            self._kill()
            self._ended_at = self._ended_at or time.monotonic()
            if time.monotonic() - self._ended_at >= RESTART_SECONDS:
                self._start()
                self.restarts += 1

    def output(self) -> str:
        """The end of its output."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-12:])

    def _start(self) -> None:
        self._ended_at = None
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self._pass_fds,
                start_new_session=True,
            )

    def _kill(self) -> None:
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _pid(self) -> int:
        if self._process is None:
            raise ProcessLookupError(self.name)
        return self._process.pid

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._pid(), number)


class Keeper(threading.Thread):
    """Restarts members that have ended, as the supervisor of a single machine does."""

    def __init__(self, members: Sequence[Member], services: Sequence[Service]) -> None:
        super().__init__(daemon=True, name="keeper")
        self._members, self._services = members, services
        self._end = threading.Event()
        # Held by faults that keep a service down.
        self.hands_off = threading.Lock()

    def run(self) -> None:
        """Restart processes until `end`."""
        while not self._end.wait(0.1):
            for member in self._members:
                member.keep_running()
            with self.hands_off:
                for service in self._services:
                    service.keep_running()

    def end(self) -> None:
        """Stop restarting processes."""
        self._end.set()
        self.join()


def processes_of(service: Service) -> list[psutil.Process]:
    """All processes of a service."""
    main = psutil.Process(service.pid)
    return [main, *main.children(recursive=True)]


def suspend(service: Service) -> None:
    """Stop all processes of a service with SIGSTOP."""
    for process in processes_of(service):
        with suppress(psutil.NoSuchProcess):
            process.suspend()


def resume(service: Service) -> None:
    """Resume all processes of a service."""
    for process in processes_of(service):
        with suppress(psutil.NoSuchProcess):
            process.resume()
