"""The processes of the system, and who starts them again when they end."""

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

# As deploy.local.supervisor does after the first failure.
RESTART_SECONDS = 1.0


class Member:
    """One process of the system in a session of its own."""

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
        """Start it, and want it to run."""
        with self._lock:
            self.is_wanted = True
            self._start()

    def kill(self) -> None:
        """End all of it as a power cut would; whether it is started again is for the keeper."""
        with self._lock:
            self._kill()

    def stop(self) -> None:
        """End it in good order, and for good; kill it after half a minute."""
        with self._lock:
            self.is_wanted = False
            if self._process is not None:
                self._process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(30)
            self._kill()

    def suspend(self) -> None:
        """Stop the process and all that it has started, with SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def child(self) -> psutil.Process | None:
        """The first process that it has started, if it runs and has."""
        try:
            return psutil.Process(self._pid()).children()[0]
        except (psutil.Error, IndexError, ProcessLookupError):
            return None

    def keep_running(self) -> None:
        """Start it again a moment after it has ended, if it is wanted."""
        with self._lock:
            if not self.is_wanted or self._process is None or self._process.poll() is None:
                return
            self._kill()
            self._ended_at = self._ended_at or time.monotonic()
            if time.monotonic() - self._ended_at >= RESTART_SECONDS:
                self._start()
                self.restarts += 1

    def output(self) -> str:
        """The end of what it printed."""
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
    """Starts members again that have ended, as the supervisor of a single machine does."""

    def __init__(self, members: Sequence[Member], services: Sequence[Service]) -> None:
        super().__init__(daemon=True, name="keeper")
        self._members, self._services = members, services
        self._end = threading.Event()
        # Held by a fault that keeps a service away on purpose.
        self.hands_off = threading.Lock()

    def run(self) -> None:
        """Look after all of them until `end`."""
        while not self._end.wait(0.1):
            for member in self._members:
                member.keep_running()
            with self.hands_off:
                for service in self._services:
                    service.keep_running()

    def end(self) -> None:
        """Start nothing any more."""
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
    """Let them go on."""
    for process in processes_of(service):
        with suppress(psutil.NoSuchProcess):
            process.resume()
