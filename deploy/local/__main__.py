"""Chestline on one machine: `python -m deploy.local COMMAND`, for which --help lists them."""

import argparse
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

import psutil

from deploy.local import recovery
from deploy.local.devices import device_of, gpus
from deploy.local.errors import ServiceError
from deploy.local.processes import find_processes, kill_processes
from deploy.local.scaling import SETTING, Scale, worker_numbers
from deploy.local.service import Service
from deploy.local.services import Postgres, Valkey, postgres_programs
from deploy.local.supervisor import MARKER, STOP_SIGNALS, Program, StartError, Supervisor
from deploy.local.system import (
    OLD_KEYS,
    OWNER,
    ROOT,
    Folders,
    SystemStateError,
    dicom_port,
    host_names,
    is_given,
    listen,
    new_key,
    only_supervisor,
    orders_port,
    own_settings,
    running_environment,
    supervisor_pid,
    url_of,
    without_owner,
    write_environment,
)

# Counted from the exit of the last process.
STOP_WAIT_SECONDS = 30.0
MANAGE = [sys.executable, str(ROOT / "manage.py")]
# Celery warns against running as root, in eight lines per process; here it was a choice.
NO_ROOT_WARNING = ["-W", "ignore:You're running the worker with superuser privileges"]
CELERY = [sys.executable, *NO_ROOT_WARNING, "-m", "celery", "--quiet"]


class Interrupted(Exception):
    """A stop signal arrived while the system was being started."""


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start everything and keep it running until Ctrl-C")
    commands.add_parser("worker", help="add one worker to the running system")
    commands.add_parser("stop", help="stop the running system")
    execute = commands.add_parser("exec", help="run a command in the running system's environment")
    execute.add_argument("arguments", nargs=argparse.REMAINDER)
    restore_it = commands.add_parser("restore", help="restore a backup before the first start")
    restore_it.add_argument("arguments", nargs=argparse.REMAINDER)
    new_key_of = commands.add_parser("new-key", help="generate another key for the next start")
    new_key_of.add_argument("name", choices=OLD_KEYS)
    recover_it = commands.add_parser("recover", help="restore the database to a point in time")
    recover_it.add_argument("until", type=_instant, help='such as "2026-11-29 13:05:00+00:00"')
    options = parser.parse_args()

    # Everything below finds manage.py and the packages from here.
    os.chdir(ROOT)
    folders = Folders.from_environment()
    try:
        if options.command == "run":
            run(folders)
        elif options.command == "worker":
            worker(folders)
        elif options.command == "stop":
            stop(folders)
        elif options.command == "restore":
            sys.exit(restore(folders, options.arguments))
        elif options.command == "new-key":
            folders.create()
            with only_supervisor(folders):
                new_key(folders, options.name)
            print(f"The next start uses a new {options.name}.")
        elif options.command == "recover":
            recover(folders, options.until)
        else:
            execute_command(folders, options.arguments)
    except (ServiceError, StartError, SystemStateError) as error:
        sys.exit(f"\n{error}")


def run(folders: Folders) -> None:
    """Start the services and programs of a machine; stop them on Ctrl-C or SIGTERM."""
    folders.create()
    with only_supervisor(folders):
        for number in STOP_SIGNALS:
            signal.signal(number, _interrupt)
        kill_processes(find_processes(lambda process: _is_leftover(process, folders.var)))
        try:
            with ExitStack() as running:
                _run(folders, running)
        except Interrupted:
            pass
        folders.environment.unlink(missing_ok=True)
        print("Chestline has stopped.", flush=True)


def _run(folders: Folders, running: ExitStack) -> None:
    listener = running.enter_context(listen(os.environ.get("CHESTLINE_LISTEN", "127.0.0.1")))
    settings = own_settings(folders, host_names(listener))

    _say("[2/4] Database and broker")
    archives = os.environ.get("ARCHIVE_WAL", "false").lower() in ("1", "true", "yes", "on")
    if archives and not is_given("BACKUP_REPOSITORY"):
        raise StartError("ARCHIVE_WAL needs BACKUP_REPOSITORY and BACKUP_RECIPIENTS.")
    postgres = Postgres(folders.var / "postgres", archive=archives)
    services: dict[str, Service] = {
        "DATABASE_URL": postgres,
        "BROKER_URL": Valkey(folders.var / "valkey"),
    }
    for name in [name for name in services if is_given(name)]:
        _say(f"      {name} is set: using that")
        del services[name]
    for name, service in services.items():
        running.callback(_stop_undisturbed, service)
        service.start()
        settings[name] = service.url
    owner = {}
    if "DATABASE_URL" in services:
        settings["DATABASE_URL"] = postgres.runtime_url
        if archives:
            settings["WAL_OUTBOX"] = str(postgres.outbox)
        owner = {OWNER: postgres.url}
    settings["DICOM_PORT"], settings["ORDERS_PORT"] = str(dicom_port()), str(orders_port())
    environment = {**os.environ, **settings, MARKER: str(folders.var)}

    _say("[3/4] Tables, first administrator, model")
    # In a session of its own, so that Ctrl-C reaches only this process, which then ends it.
    prepared = subprocess.run(
        [*MANAGE, "prepare", "--verbosity", "0"],
        env=environment | owner,
        check=False,
        start_new_session=True,
    )
    if prepared.returncode != 0:
        raise StartError("'manage.py prepare' failed; its message is above.")

    _say("[4/4] Portal, worker, receivers, scheduler")
    write_environment(folders, settings | owner)
    # The processes started from here on do not need the owner's privileges.
    without_owner(environment)
    scale = Scale(*worker_numbers())
    if scale.most > scale.least:
        running.callback(scale.stop)
        scale.follow(environment["DATABASE_URL"])
    devices = gpus()
    if len(devices) > scale.most:
        _say(f"There are {len(devices)} GPUs: {SETTING}={len(devices)} uses them all.")
    programs = _programs(listener, scale, devices)
    if archives and "DATABASE_URL" in services:
        programs.append(_archiver(postgres))
    supervisor = Supervisor(programs, list(services.values()), environment, folders.log)
    url = url_of(listener)
    supervisor.run(
        is_ready=lambda: _answers(url),
        on_ready=lambda: _say(
            f"\nChestline is at {url}   (Ctrl-C stops it)\n"
            f"It receives DICOM on port {settings['DICOM_PORT']} and orders (HL7) on port"
            f" {settings['ORDERS_PORT']}.\n"
        ),
    )


def _stop_undisturbed(service: Service) -> None:
    # The services that stop here hold the data: a second Ctrl-C must not interrupt them.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    service.stop()


def _programs(listener: socket.socket, scale: Scale, devices: list[str]) -> list[Program]:
    server = [sys.executable, "-m", "webportal.server"]
    # The scheduler is a separate worker, so that no sweep waits behind inference.
    scheduler = ["worker", "--pool", "solo", "--queues", "maintenance", "--beat"]
    # Handed over as a file descriptor, so that the port stays bound while the portal restarts.
    number = listener.fileno()
    return [
        Program("portal", [*server, "--fd", str(number)], pass_fds=(number,)),
        *_workers(scale, devices),
        Program("receiver", [*MANAGE, "receive_dicom"]),
        Program("orders", [*MANAGE, "receive_orders"]),
        Program("scheduler", _celery("scheduler.app", "scheduler", *scheduler)),
    ]


def _workers(scale: Scale, devices: list[str]) -> list[Program]:
    """The programs for the largest number of workers; the first ones run as long as wanted."""

    def worker(number: int) -> Program:
        name = "worker" if number == 1 else f"worker-{number}"
        return Program(
            name,
            _worker_command(name),
            environment=device_of(number, devices),
            is_wanted=lambda: number <= scale.wanted,
        )

    return [worker(number) for number in range(1, scale.most + 1)]


def _archiver(postgres: Postgres) -> Program:
    places = (postgres.outbox, postgres.socket_dir, postgres.replica_password_file)
    return Program("archiver", [*MANAGE, "archive_wal", *map(str, places)])


def recover(folders: Folders, until: datetime) -> None:
    """Restore the database of this machine, and nothing else, to a point in time."""
    folders.create()
    with only_supervisor(folders), ExitStack() as running:
        unused = {"DATABASE_URL": "postgresql:///unused", "BROKER_URL": "redis://unused"}
        environment = {**os.environ, **unused, **own_settings(folders, ["localhost"])}
        postgres = Postgres(folders.var / "postgres")
        fetch = recovery.fetching([*MANAGE, "fetch_wal"], environment)
        last = recovery.recover(postgres.data_dir, until, fetch)
        running.callback(_stop_undisturbed, postgres)
        postgres.start()
        environment |= {"DATABASE_URL": postgres.runtime_url, OWNER: postgres.url}
        command = [*MANAGE, "after_recovery", until.isoformat()]
        if subprocess.run(command, env=environment, check=False).returncode != 0:
            raise ServiceError(
                "The database is restored, but not ready for use; the reason is above. Mend it,"
                " start Chestline, and run make manage"
                f' ARGS="after_recovery {until.isoformat()}".'
            )
    _say(f"The database is as it was at {until}; its last change is of {last or 'before that'}.")


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("name the time zone, as in 2026-11-29T13:05:00+00:00")
    return found


def restore(folders: Folders, arguments: list[str]) -> int:
    """Start only the database, run `manage.py restore` on it, and return its exit status."""
    folders.create()
    with only_supervisor(folders), ExitStack() as running:
        settings = own_settings(folders, ["localhost"])
        if not is_given("BROKER_URL"):  # restoring queues nothing
            settings["BROKER_URL"] = "redis://unused"
        if not is_given("DATABASE_URL"):
            postgres = Postgres(folders.var / "postgres")
            running.callback(_stop_undisturbed, postgres)
            postgres.start()
            settings |= {"DATABASE_URL": postgres.runtime_url, OWNER: postgres.url}
        command = [*MANAGE, "restore", *arguments]
        return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode


def worker(folders: Folders) -> NoReturn:
    """Exec an additional worker for the running system."""
    name = f"worker-{os.getpid()}"
    _replace_process(_worker_command(name), without_owner(running_environment(folders)))


def execute_command(folders: Folders, command: list[str]) -> NoReturn:
    """Exec `command` with the running system's settings, Python and PostgreSQL tools."""
    environment = running_environment(folders)
    tools = [str(Path(sys.executable).parent), str(postgres_programs()), os.environ["PATH"]]
    environment["PATH"] = os.pathsep.join(tools)
    if not command or shutil.which(command[0], path=environment["PATH"]) is None:
        raise SystemStateError(f"There is no such command: {' '.join(command)}")
    _replace_process(command, environment)


def stop(folders: Folders) -> None:
    """Stop the running system and wait until it has."""
    pid = supervisor_pid(folders)
    if pid is None:
        raise SystemStateError("Chestline is not running here.")
    os.kill(pid, signal.SIGTERM)
    left, last_end = _children(pid), time.monotonic()
    while supervisor_pid(folders) is not None:
        still_left = _children(pid)
        # A busy machine takes longer: as long as processes keep ending, the system is stopping.
        if still_left < left:
            left, last_end = still_left, time.monotonic()
        if time.monotonic() > last_end + STOP_WAIT_SECONDS:
            raise SystemStateError(f"Process {pid} has not stopped yet; see its terminal.")
        time.sleep(0.1)


def _children(pid: int) -> int:
    try:
        return len(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return 0


def _worker_command(name: str) -> list[str]:
    return _celery("workers.app", name, "worker", "--queues", "inference", "--concurrency", "1")


def _celery(app: str, name: str, *command: str) -> list[str]:
    return [*CELERY, "--app", app, *command, "--hostname", f"{name}@%h", "--loglevel", "INFO"]


def _replace_process(command: list[str], environment: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execvpe(command[0], command, environment)


def _is_leftover(process: psutil.Process, var: Path) -> bool:
    return bool(process.environ().get(MARKER) == str(var))


def _answers(url: str) -> bool:
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
