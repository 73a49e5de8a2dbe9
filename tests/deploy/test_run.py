"""The whole system of one machine, started, stopped, killed and started again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from django.utils import timezone

from deploy.local.processes import find_processes
from deploy.local.services import Postgres
from tests.helpers import wait_until
from tests.services import postgres, valkey
from webportal.backups import encryption

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "deploy.local"]
SET_BY_THE_TESTS = (
    "DATABASE_URL",
    "BROKER_URL",
    "STORAGE_URL",
    "SECRET_KEY",
    "AUDIT_KEY",
    "AUDIT_ANCHOR_FILE",
    "DJANGO_SETTINGS_MODULE",
)


class System:
    """A supervisor started by a test, and what it has printed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.output = ""
        self.process = subprocess.Popen(
            [*COMMAND, "run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_until_ready(self) -> str:
        """Return the address that is printed at the end of the start."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if address := re.search(r"Chestline is at (\S+)", line):
                return address[1]
        raise AssertionError(f"it ended before it was ready:\n{self.output}")

    def stop(self, number: signal.Signals) -> int:
        """Send the signal, and return the exit status."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate()
        self.output += rest
        return self.process.returncode


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def environment(var: Path) -> dict[str, str]:
    return _own_environment(var)


def _own_environment(var: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in SET_BY_THE_TESTS}
    return own | {"CHESTLINE_VAR": str(var)}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data of a system that has run, and its output.

    One for all tests: its tables take longer to make than all else.
    """
    var = tmp_path_factory.mktemp("stopped") / "var"
    system = System(_own_environment(var))
    system.wait_until_ready()
    assert system.stop(signal.SIGINT) == 0
    assert not _processes_of(var)
    return var, system.output


@pytest.fixture
def has_run(var: Path, stopped: tuple[Path, str]) -> None:
    # With owners: PostgreSQL may run as another user.
    subprocess.run(["cp", "--archive", stopped[0], var], check=True)


@pytest.fixture
def start(var: Path, environment: dict[str, str]) -> Iterator[Callable[..., System]]:
    """Start a system; whatever is left of it at the end of the test is killed."""
    systems = []

    def started(**settings: str) -> System:
        systems.append(System(environment | settings))
        return systems[-1]

    yield started
    for system in systems:
        if system.process.poll() is None:
            system.process.kill()
        system.process.wait()
        assert system.process.stdout is not None
        system.process.stdout.close()
    for process in _processes_of(var):
        process.kill()


def _processes_of(var: Path) -> list[psutil.Process]:
    """Every process of the system but its supervisor."""

    def belongs(process: psutil.Process) -> bool:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return str(var) in " ".join(process.cmdline()) or (
            process.environ().get("CHESTLINE_SUPERVISOR") == str(var)
        )

    return find_processes(belongs)


def _is_ready(address: str) -> bool:
    with urllib.request.urlopen(f"{address}/health/ready", timeout=10) as response:
        return bool(response.status == 200)


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_a_first_start_shows_a_password_and_an_interrupt_stops_it(
    stopped: tuple[Path, str],
) -> None:
    _, output = stopped
    assert "one-time password" in output
    assert "Chestline has stopped." in output


@pytest.mark.usefixtures("has_run")
def test_it_starts_again_on_another_port_and_is_stopped_by_command(
    var: Path, start: Callable[..., System], environment: dict[str, str]
) -> None:
    joined = _run(environment, "worker")
    assert joined.returncode == 1
    assert "not running here" in joined.stderr

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        system = start(CHESTLINE_LISTEN=f"127.0.0.1:{taken}")
        address = system.wait_until_ready()
        assert _is_ready(address)
        assert not address.endswith(f":{taken}")
    of_programs = [process.environ() for process in _processes_of(var)]
    urls = {each["DATABASE_URL"] for each in of_programs if "DATABASE_URL" in each}
    assert {urlsplit(url).username for url in urls} == {"chestline_app"}
    assert not any("DATABASE_OWNER_URL" in each for each in of_programs)
    assert "one-time password" not in system.output

    again = _run(environment, "run")
    assert again.returncode == 1
    assert f"already running here (process {system.process.pid}" in again.stderr

    settings = _run(environment, "exec", "sh", "-c", 'psql -Atc "SELECT 6 * 7" "$DATABASE_URL"')
    assert settings.stdout == "42\n", settings.stderr

    assert _run(environment, "stop").returncode == 0
    assert system.process.wait() == 0
    assert not _processes_of(var)


@pytest.mark.usefixtures("has_run")
@pytest.mark.timeout(600)
def test_its_backup_is_restored_elsewhere_and_its_database_recovered_to_a_point_in_time(
    var: Path, tmp_path: Path, start: Callable[..., System], environment: dict[str, str]
) -> None:
    secret, public = encryption.new_identity()
    (tmp_path / "key").write_text(secret)
    (tmp_path / "repository").mkdir()
    backups = {"BACKUP_REPOSITORY": f"file://{tmp_path}/repository", "BACKUP_RECIPIENTS": public}
    # One start for both ways back, because it takes longer than either.
    system = start(**backups, ARCHIVE_WAL="true")
    system.wait_until_ready()
    made = _run(environment, "exec", "python", "manage.py", "backup")
    assert made.returncode == 0, made.stdout + made.stderr
    wait_until(lambda: list(tmp_path.glob("repository/wal/base-*.age")) != [], "there is a copy")
    first = _run(environment, "exec", "python", "manage.py", "anchor_audit")
    assert first.returncode == 0, first.stderr
    time.sleep(1)
    until = timezone.now()
    time.sleep(1)
    # Somebody who is not there at that time.
    second = _run(
        *(environment, "exec", "python", "manage.py", "shell", "-c"),
        "from webportal.accounts.services import create_user; create_user('later', '', [], None)",
    )
    assert second.returncode == 0, second.stderr
    assert system.stop(signal.SIGINT) == 0

    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "secrets").mkdir(parents=True)
    (elsewhere / "secrets" / "audit_key").write_text((var / "secrets" / "audit_key").read_text())
    identity = {"BACKUP_IDENTITY_FILE": str(tmp_path / "key")}
    there = environment | backups | identity | {"CHESTLINE_VAR": str(elsewhere)}
    restored = _run(there, "restore")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "Restored and intact" in restored.stdout
    assert not _processes_of(elsewhere)

    (var / "postgres" / "cluster").rename(tmp_path / "cluster")
    recovered = _run(environment | backups | identity, "recover", until.isoformat())
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert "Everybody has to sign in again" in recovered.stdout
    with Postgres(var / "postgres") as database, psycopg.connect(database.url) as connection:
        people = connection.execute("SELECT username FROM accounts_user").fetchall()
        pauses = connection.execute("SELECT reason FROM upkeep_removalpause").fetchall()
    assert (people, pauses) == ([("admin",)], [("older_database",)])


@pytest.mark.usefixtures("has_run")
def test_it_starts_again_after_its_supervisor_was_killed(
    var: Path, start: Callable[..., System]
) -> None:
    system = start()
    system.wait_until_ready()
    system.process.kill()
    system.process.wait()
    left_behind = set(_processes_of(var))
    assert left_behind

    second = start()
    assert _is_ready(second.wait_until_ready())
    assert left_behind.isdisjoint(_processes_of(var))
    assert second.stop(signal.SIGTERM) == 0
    assert not _processes_of(var)


def test_configured_servers_are_used_and_none_is_started(
    var: Path, start: Callable[..., System]
) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE elsewhere")
    database = postgres.url.replace("/chestline?", "/elsewhere?")
    system = start(DATABASE_URL=database, BROKER_URL=valkey.url)
    assert _is_ready(system.wait_until_ready())
    assert not (var / "postgres").exists()
    assert not (var / "valkey").exists()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT username FROM accounts_user").fetchone() == ("admin",)
    # What joins the system later, without these variables, finds the same servers.
    joining = json.loads((var / "run" / "environment.json").read_text())
    assert (joining["DATABASE_URL"], joining["BROKER_URL"]) == (database, valkey.url)
    assert system.stop(signal.SIGTERM) == 0


def test_an_interrupt_during_start_up_leaves_no_process(
    var: Path, start: Callable[..., System]
) -> None:
    system = start()
    assert system.process.stdout is not None
    for line in system.process.stdout:
        if line.startswith("[3/4]"):
            break
    assert system.stop(signal.SIGINT) == 0
    assert not _processes_of(var)
