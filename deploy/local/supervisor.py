"""Process supervisor: start, show output, restart, stop.

supervisord also restarts each program separately, but it does not pass a listening socket to
programs, does not check that PostgreSQL and the broker respond, and does not abort a failed first
start with the reason on the screen.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType

from deploy.local.service import Service

# Identifies the processes of one supervisor, so that the next one finds them if this one is killed.
MARKER = "CHESTLINE_SUPERVISOR"
STOP_SECONDS = 7.0
READY_SECONDS = 120.0
RESTART_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
# A process that has run for this long is restarted at once, as after its first failure.
STEADY_SECONDS = 60.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartError(Exception):
    """The processes did not start; the message says which one and where to look."""


@dataclass
class Program:
    """A process to keep running: its name, command line, sockets and what only its environment has.

    It is started only while it `is_wanted`, and told to stop when it no longer is.
    """

    name: str
    command: Sequence[str]
    pass_fds: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    is_wanted: Callable[[], bool] = lambda: True
    is_told_to_stop: bool = field(default=False, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    restart_at: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)


class Supervisor:
    """Runs programs until a stop signal arrives.

    Args:
        programs: what to run.
        services: services that the programs need, already started; restarted if they exit.
        environment: the environment of every program.
        log_dir: folder for a rotated log file per program; the output is also shown on stdout.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        services: Sequence[Service],
        environment: Mapping[str, str],
        log_dir: Path,
    ) -> None:
        self.programs = programs
        self.services = services
        self.environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self.log_dir = log_dir
        self.stop_requests = 0
        self._logs = {program.name: self._log(program.name) for program in programs}

    def run(self, is_ready: Callable[[], bool], on_ready: Callable[[], None]) -> None:
        """Start all programs, call `on_ready` once `is_ready`, then keep them running.

        Before that, a program that exits stops everything; afterwards it is restarted. Returns
        when SIGINT, SIGTERM or SIGHUP has stopped everything; a second one kills what still runs.
        Must be called in the main thread.

        Raises:
            StartError: a program exited or the portal was not ready in time; all are stopped.
            ServiceError: a service exited and could not be restarted; all are stopped.
        """
        before = {number: signal.signal(number, self._request_stop) for number in STOP_SIGNALS}
        try:
            for program in self.programs:
                if program.is_wanted():
                    self._start(program)
            if self._wait_until_ready(is_ready):
                on_ready()
            while not self.stop_requests:
                for service in self.services:
                    if service.keep_running():
                        print(f"{service.name} had ended and was started again", flush=True)
                for program in self.programs:
                    self._keep_running(program)
                time.sleep(0.1)
        finally:
            self._stop_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requests += 1

    def _wait_until_ready(self, is_ready: Callable[[], bool]) -> bool:
        """Return True once ready, or False if a stop was requested before."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.stop_requests:
            for program in self.programs:
                if program.process is not None and program.process.poll() is not None:
                    raise StartError(
                        f"The {program.name} ended with exit status {program.process.returncode} "
                        f"during the start. The reason is above and in {self._file(program.name)}."
                    )
            if is_ready():
                return True
            if time.monotonic() > deadline:
                raise StartError(
                    f"The portal was not ready within {READY_SECONDS:.0f} seconds. "
                    f"The reason may be in {self.log_dir}."
                )
            time.sleep(0.1)
        return False

    def _start(self, program: Program) -> None:
        # A session of its own shields the process from a Ctrl-C in the terminal: the supervisor
        # tells each one to stop, once.
        program.process = subprocess.Popen(
            program.command,
            env={**self.environment, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=program.pass_fds,
            start_new_session=True,
        )
        program.started_at = time.monotonic()
        threading.Thread(
            target=self._show_output, args=(program.name, program.process), daemon=True
        ).start()

    def _keep_running(self, program: Program) -> None:
        now = time.monotonic()
        if program.process is None:
            if now >= program.restart_at and program.is_wanted():
                self._start(program)
            return
        status = program.process.poll()
        if status is None:
            if not program.is_wanted() and not program.is_told_to_stop:
                program.is_told_to_stop = True
                program.process.terminate()
            return
        _kill_group(program.process)
        if program.is_told_to_stop:
            self._logs[program.name].info("not needed for now")
            program.process, program.is_told_to_stop = None, False
            return
        if now - program.started_at > STEADY_SECONDS:
            program.failures = 0
        wait = RESTART_SECONDS[min(program.failures, len(RESTART_SECONDS) - 1)]
        program.failures += 1
        program.process = None
        program.restart_at = now + wait
        self._logs[program.name].error(
            "ended with exit status %s; starting it again in %.0f s", status, wait
        )

    def _stop_all(self) -> None:
        running = [program.process for program in self.programs if program.process is not None]
        print("\nStopping …", flush=True)
        # Only the main process: Celery's stops its own children in order.
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or self.stop_requests > 1:
                break
            time.sleep(0.05)
        for process in running:
            _kill_group(process)
            process.wait()

    def _file(self, name: str) -> Path:
        return self.log_dir / f"{name}.log"

    def _log(self, name: str) -> logging.Logger:
        log = logging.getLogger(f"supervisor.{name}")
        log.propagate = False
        log.setLevel(logging.INFO)
        width = max(len(program.name) for program in self.programs)
        terminal = logging.StreamHandler(sys.stdout)
        terminal.setFormatter(logging.Formatter(f"{name:{width}} | %(message)s"))
        file = RotatingFileHandler(self._file(name), maxBytes=10_000_000, backupCount=3)
        log.handlers = [terminal, file]
        return log

    def _show_output(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._logs[name].info("%s", line.decode(errors="replace").rstrip())


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program's process and all processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
