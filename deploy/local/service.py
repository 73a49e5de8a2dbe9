"""A server process on a single machine: starting, stopping, restarting, and its password."""

import os
import secrets
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from deploy.local.errors import ServiceError
from deploy.local.processes import find_processes, kill_processes

# A crashed PostgreSQL replays its log before it answers; on a slow disk that takes a while.
START_TIMEOUT_SECONDS = 120.0
LOG_LIMIT_BYTES = 10_000_000


class Service(ABC):
    """A server process with its data in one folder; a context manager that starts and stops it."""

    name: str
    stop_signal: signal.Signals

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.log_file = self.data_dir / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Connection URL, with the password."""

    @property
    def pid(self) -> int:
        """The server's process id; raises ServiceError when it was not started."""
        if self._process is None:
            raise ServiceError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it responds; raises ServiceError if it does not."""
        if self._process is not None:
            raise ServiceError(f"{self.name} is already running")
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        kill_processes(find_processes(self._is_leftover))
        self._prepare()
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_LIMIT_BYTES:
            self.log_file.rename(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("ab") as log:
            # A session of its own shields the server from a Ctrl-C in the terminal: it has to
            # outlive the processes that use it.
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def keep_running(self) -> bool:
        """Restart the server if it has exited; return whether it had."""
        if self._process is None or self._process.poll() is None:
            return False
        self._process = None
        self.start()
        return True

    def stop(self, *, timeout: float = 5.0) -> None:
        """Stop the server with its data safe on disk; kill it after `timeout` seconds."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill the server and its children with SIGKILL, like a power cut."""
        if self._process is None:
            return
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        self._process.kill()
        self._process.wait()
        kill_processes(children)
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _is_leftover(self, process: psutil.Process) -> bool:
        """Whether `process` was left behind by a killed run and serves this data folder."""

    @abstractmethod
    def _prepare(self) -> None:
        """Prepare the data folder for a start."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server accepts connections."""

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            if process.poll() is not None:
                raise ServiceError(f"{self.name} did not start.\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{self.name} did not answer within {START_TIMEOUT_SECONDS:.0f} seconds; "
                    f"see {self.log_file}"
                )
            time.sleep(0.05)

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return "\n".join([f"The end of {self.log_file}:", *lines[-10:]])

    def _password(self, name: str = "password") -> str:
        """The service's password, or the named further one, generated at the first start."""
        file = self.data_dir / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file.read_text()


def write_private(file: Path, text: str) -> None:
    """Write `text` to `file` atomically, readable only by its owner."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
