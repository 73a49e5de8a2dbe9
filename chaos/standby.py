"""A synchronous standby of the database server, which can be promoted in its place."""

import os
import shutil
import signal
import subprocess
import time

import psycopg

from deploy.local.errors import ServiceError
from deploy.local.services import REPLICA_ROLE, Postgres, postgres_programs
from deploy.local.unprivileged import as_unprivileged, unprivileged_ids
from webportal.database.base import LimitedConnection

PASSWORDS = ("password", "app_password", "replica_password")
SYNC_SECONDS = 60.0
# For how long to check that a commit stays unconfirmed without the standby.
UNCONFIRMED_SECONDS = 1.0


def share_passwords(primary: Postgres, other: Postgres) -> None:
    """Copy the passwords into the folder of the server that may replace this one."""
    other.data_dir.mkdir(mode=0o700)
    for name in PASSWORDS:
        shutil.copy(primary.data_dir / name, other.data_dir)


def start(primary: Postgres, standby: Postgres) -> None:
    """Copy the running server, and start the copy as its synchronous standby.

    From then on no commit is confirmed to a client before the standby has it on its disk.
    """
    shutil.rmtree(standby.cluster, ignore_errors=True)
    standby.cluster.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(standby.cluster, *unprivileged_ids())
    password = primary.replica_password_file.read_text()
    _run(
        "pg_basebackup",
        *("--pgdata", str(standby.cluster), "--write-recovery-conf", "--checkpoint=fast"),
        *("--host", str(primary.socket_dir), "--username", REPLICA_ROLE, "--no-password"),
        environment=os.environ | {"PGPASSWORD": password},
    )
    standby.start()
    _wait_for_standbys(primary, standby.cluster_name)


def stop_waiting(primary: Postgres) -> None:
    """Let the server confirm commits without a standby again."""
    _wait_for_standbys(primary, "")


def promote(standby: Postgres) -> None:
    """Promote the standby to primary; it has no standby itself."""
    _write_standbys(standby, "")
    _run("pg_ctl", "promote", "--pgdata", str(standby.cluster), "--wait")


def commit(primary: Postgres, patience: float = SYNC_SECONDS) -> None:
    """Commit something. Raises OperationalError if that is not confirmed in time."""
    with LimitedConnection.connect(primary.url, autocommit=True) as connection:
        connection.patience = patience
        connection.execute("CREATE TEMPORARY TABLE committed ()")


def confirms_alone(primary: Postgres) -> bool:
    """Whether the server confirms a commit that its standby, now suspended, cannot have."""
    try:
        commit(primary, UNCONFIRMED_SECONDS)
    except psycopg.OperationalError:
        return False
    return True


def _wait_for_standbys(primary: Postgres, names: str) -> None:
    _write_standbys(primary, names)
    os.kill(primary.pid, signal.SIGHUP)
    deadline = time.monotonic() + SYNC_SECONDS
    while _setting(primary) != names:
        if time.monotonic() > deadline:
            raise ServiceError("PostgreSQL has not reloaded its configuration")
        time.sleep(0.05)
    commit(primary)


def _write_standbys(server: Postgres, names: str) -> None:
    # The last line wins. ALTER SYSTEM needs the superuser, who cannot connect.
    quoted = f'"{names}"' if names else ""
    with (server.cluster / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"synchronous_standby_names = '{quoted}'\n")


def _setting(server: Postgres) -> str:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SHOW synchronous_standby_names").fetchone()
    assert row is not None
    return str(row[0]).strip('"')


def _run(program: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        [*as_unprivileged(), str(postgres_programs() / program), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServiceError(f"{program} failed:\n{done.stdout}{done.stderr}")
