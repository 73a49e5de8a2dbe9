"""The system under test: database, broker, two portals, workers and two schedulers."""

import http.client
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import django
import redis

from chaos import clocks, points, standby
from chaos.disks import Disk
from chaos.members import Keeper, Member
from deploy.local.service import Service
from deploy.local.services import Postgres, Valkey
from deploy.local.system import listen

PORTALS = ("portal-1", "portal-2")
WORKERS = ("a@chaos", "b@chaos", "c@chaos")
SCHEDULERS = ("s@chaos", "t@chaos")
PATIENCE_SECONDS = 120
STORAGE_MEGABYTES, SERVICE_MEGABYTES = 256, 900
CELERY = [sys.executable, "-m", "celery", "--quiet", "--app"]
INFERENCE = ["--pool", "prefork", "--concurrency", "1", "--queues", "inference"]
MAINTENANCE = ["--pool", "solo", "--queues", "maintenance", "--beat"]


@dataclass(frozen=True)
class Limits:
    """Timeouts that determine how fast the system recovers."""

    lease_seconds: int = 6
    sweep_seconds: int = 2


class System:
    """The running system, as a context manager. Entering it sets up Django in this process."""

    def __init__(self, limits: Limits = Limits(), *, with_clocks: bool = False) -> None:
        self.limits = limits
        self._stack = ExitStack()
        made = tempfile.mkdtemp(prefix="chestline-chaos-")
        self.folder = Path(made)
        self.points = self.folder / "points"
        self.clocks = clocks.Clocks(self.folder / "clocks") if with_clocks else None

    def __enter__(self) -> "System":
        with self._stack:
            self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._stack.callback(_remove, self.folder)
        self.points.mkdir()
        (self.folder / "log").mkdir()
        self.storage_disk = self._disk("storage", STORAGE_MEGABYTES)
        self.service_disk = self._disk("services", SERVICE_MEGABYTES)
        self.postgres = Postgres(self.service_disk.folder / "postgres")
        #: Not running, or the standby of the other one.
        self.spare = Postgres(self.service_disk.folder / "spare")
        self.valkey = Valkey(self.service_disk.folder / "valkey")
        for service in (self.postgres, self.spare, self.valkey):
            self._stack.callback(service.stop)
        with self._clock_of("postgres"):
            self.postgres.start()
        standby.share_passwords(self.postgres, self.spare)
        self.valkey.start()
        self._prepare()
        self.portals = self._portals()
        self.workers = [
            self._celery(name, "chaos.mortal.worker", INFERENCE, "worker") for name in WORKERS
        ]
        self.schedulers = [
            self._celery(name, "chaos.mortal.scheduler", MAINTENANCE, "scheduler")
            for name in SCHEDULERS
        ]
        self.members = [*self.portals, *self.workers, *self.schedulers]
        for member in self.members:
            self._stack.callback(member.kill)
            member.start()
        self._services: list[Service] = [self.postgres, self.valkey]
        self.keeper = Keeper(self.members, self._services)
        self._stack.callback(self.keeper.end)
        self.keeper.start()
        self.wait_until(self._is_ready, "a portal was ready")

    def _disk(self, name: str, megabytes: int) -> Disk:
        disk = Disk(self.folder / name, megabytes)
        self._stack.callback(disk.remove)
        return disk

    def _clock_of(self, name: str) -> "clocks.Environment":
        return clocks.Environment(self.clocks.of(name) if self.clocks else {})

    def _prepare(self) -> None:
        self._environment = {
            "DJANGO_SETTINGS_MODULE": "webportal.settings",
            "CHESTLINE_VAR": str(self.folder),
            "STORAGE_URL": f"file://{self.storage_disk.folder}/files",
            "AUDIT_ANCHOR_FILE": str(self.folder / "anchors"),
            "SECRET_KEY": "a key of sessions, for chaos alone",
            "AUDIT_KEY": "a key of the trail, for chaos alone",
            "DATABASE_URL": _url_of_both(self.postgres, self.spare),
            "BROKER_URL": self.valkey.url,
            "INFERENCE_BATCH_SIZE": "8",
            "INFERENCE_LEASE_SECONDS": str(self.limits.lease_seconds),
            "SWEEP_SECONDS": str(self.limits.sweep_seconds),
            # No reserve, because the checks for free space would keep the disk from filling up
            # completely.
            "UPLOAD_MIN_FREE_BYTES": "0",
            "STORAGE_REMOVAL_SHARE": "1",
        }
        os.environ |= self._environment | {"DATABASE_OWNER_URL": self.postgres.url}
        django.setup()
        from django.core.management import call_command

        with (self.folder / "log" / "prepare.log").open("w") as output:
            call_command("prepare", verbosity=0, stdout=output)

    def _celery(self, name: str, app: str, options: Sequence[str], clock: str) -> Member:
        command = [*CELERY, app, "worker", *options, "--hostname", name]
        return self._member(name, command, clock)

    def _portals(self) -> list[Member]:
        """Portals that accept connections from one socket, like portals behind a proxy."""
        listener = self._stack.enter_context(listen("127.0.0.1:18100"))
        self.port: int = listener.getsockname()[1]
        command = [sys.executable, "-m", "chaos.mortal.portal", "--fd", str(listener.fileno())]
        fds = [listener.fileno()]
        return [self._member(name, command, "portal", fds) for name in PORTALS]

    def _member(
        self, name: str, command: Sequence[str], clock: str, pass_fds: Sequence[int] = ()
    ) -> Member:
        own = {points.FOLDER: str(self.points), "PYTHONUNBUFFERED": "1"}
        if self.clocks is not None:
            own |= self.clocks.of(clock)
        environment = {**os.environ, **self._environment, **own}
        environment.pop("DATABASE_OWNER_URL")
        log = self.folder / "log" / f"{name}.log"
        return Member(name, command, environment, log, pass_fds)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def start_standby(self) -> None:
        """Start a synchronous standby of the database."""
        with self._clock_of("postgres"):
            standby.start(self.postgres, self.spare)

    def promote_standby(self) -> None:
        """Make the standby the database; the keeper no longer restarts the former primary."""
        standby.promote(self.spare)
        self.postgres, self.spare = self.spare, self.postgres
        self._services[0] = self.postgres

    def wipe_broker(self) -> None:
        """Delete all messages."""
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()

    def wait_until(self, condition: Callable[[], object], what: str) -> float:
        """Wait for a condition, tolerating database outages; return the time it became true.

        Raises RuntimeError on timeout.
        """
        from django.db import DatabaseError, InterfaceError, connection

        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if condition():
                    return time.monotonic()
            except (DatabaseError, InterfaceError):
                connection.close()
            time.sleep(0.05)
        outputs = "".join(f"\n── {each.name}\n{each.output()}" for each in self.members)
        raise RuntimeError(f"Timed out waiting until {what}.{outputs}")


def _url_of_both(one: Postgres, other: Postgres) -> str:
    """A URL that names both servers; libpq chooses the primary."""
    return one.runtime_url + quote(f",{other.socket_dir}", safe="")


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
