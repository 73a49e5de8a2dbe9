"""A separate system for the benchmark: database, broker, portal and one worker."""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import django
import psutil

from deploy.local.services import Postgres, Valkey
from deploy.local.system import listen

SERVER = [sys.executable, "-m", "webportal.server"]
WORKER = [
    *("--quiet", "worker", "--pool", "prefork", "--concurrency", "1"),
    *("--queues", "inference", "--hostname"),
]
START_SECONDS = 300


@contextmanager
def database_and_broker(folder: Path) -> Iterator[dict[str, int]]:
    """Start both in `folder`, prepare settings and database; yields their process ids."""
    with Postgres(folder / "postgres") as postgres, Valkey(folder / "valkey") as valkey:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "webportal.settings",
            "CHESTLINE_VAR": str(folder),
            "STORAGE_URL": f"file://{folder}/storage",
            "AUDIT_ANCHOR_FILE": str(folder / "anchors"),
            "SECRET_KEY": "a key of sessions, for the benchmark alone",
            "AUDIT_KEY": "a key of the trail, for the benchmark alone",
            "DATABASE_URL": postgres.url,
            "BROKER_URL": valkey.url,
        }
        django.setup()
        from django.core.management import call_command
        from django.db import connections

        call_command("migrate", verbosity=0)
        call_command("register_model")
        yield {"postgresql": postgres.pid, "valkey": valkey.pid}
        connections.close_all()


@contextmanager
def new_system() -> Iterator[tuple[ExitStack, Path, dict[str, int]]]:
    """Start database and broker in a temporary folder, and end them with whatever joins the stack.

    Yields the stack, the folder, and their process ids.
    """
    # Unwinds like Ctrl-C, so that no started process is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chestline-bench-")))
        yield stack, folder, stack.enter_context(database_and_broker(folder))


def say(words: object) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


class Portal:
    """The portal as `make run` starts it: its port, and how long it took to be ready."""

    def __init__(
        self, stack: ExitStack, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        listener = stack.enter_context(listen("127.0.0.1:18000"))
        self.port: int = listener.getsockname()[1]
        command = [*SERVER, "--fd", str(listener.fileno())]
        started = time.perf_counter()
        self._process = _start(stack, command, log, (listener.fileno(),), environment)
        while not self._is_ready():
            _check(self._process, log, started)
        self.start_seconds = time.perf_counter() - started

    @property
    def pid(self) -> int:
        """The process id of the portal's main process."""
        return self._process.pid

    def resident_bytes(self) -> int:
        """The memory used by the process that serves requests."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def _is_ready(self) -> bool:
        # Short: the socket accepts connections even before a process answers them.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
            return False
        finally:
            connection.close()


class InferenceWorker:
    """One worker, with its model loaded.

    Args:
        stack: what ends it.
        log: where its output goes.
        name: under which it claims.
        core: the only core that it may use; None for all.
        application: the module of the Celery application.
    """

    def __init__(
        self,
        stack: ExitStack,
        log: Path,
        name: str = "worker@bench",
        core: int | None = None,
        application: str = "workers.app",
    ) -> None:
        from webportal.inference.models import Worker

        started = time.perf_counter()
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        celery = [sys.executable, "-m", "celery", "--app", application]
        self._process = _start(stack, [*pinned, *celery, *WORKER, name], log)
        while not Worker.objects.exclude(model_version="").filter(name=name).exists():
            time.sleep(0.1)
            _check(self._process, log, started)

    @property
    def pid(self) -> int:
        """The process id of the worker's main process."""
        return self._process.pid

    def resident_bytes(self) -> int:
        """The memory of its two processes together; shared memory counts once."""
        main = psutil.Process(self._process.pid)
        return sum(int(each.memory_full_info().pss) for each in (main, *main.children()))


def _start(
    stack: ExitStack,
    command: Sequence[str],
    log: Path,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, pass_fds=pass_fds, env=environment
        )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def _check(process: subprocess.Popen[bytes], log: Path, started: float) -> None:
    if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
        raise RuntimeError(f"A process of the benchmark did not start:\n{log.read_text()}")
