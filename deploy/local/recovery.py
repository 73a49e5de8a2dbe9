"""Point-in-time recovery of a single machine's database, from the archive of its log."""

import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg

from deploy.local.errors import ServiceError
from deploy.local.services import ROLE, Postgres
from deploy.local.unprivileged import as_unprivileged, unprivileged_ids

# During recovery anybody who can enter the folder of the socket may connect: only its owner.
_ACCESS = "local all all trust\n"
_LONGEST_SECONDS = 24 * 3600
_SEGMENT = re.compile(r"[0-9A-F]{24}")
#: A file in the outbox that makes the archiver copy the cluster at once; also in `archive_wal`.
BASE_NEEDED = ".base-needed"

#: Fetches the copy of the cluster and the log into a folder, for this time.
Fetch = Callable[[datetime, Path], None]


class _Recovering(Postgres):
    """The server while it replays the log, with the files of another one."""

    def _prepare(self) -> None:
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._superuser, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _superuser(self) -> str:
        return f"host={self.socket_dir} user=postgres dbname=postgres"

    def finish(self) -> datetime | None:
        """Wait until it has reached the time; returns the time of the last transaction replayed."""
        try:
            return self._reached()
        except psycopg.OperationalError as error:
            # It exits if the log does not reach that time.
            raise ServiceError(f"That time cannot be restored.\n{self._log_tail()}") from error

    def _reached(self) -> datetime | None:
        until = time.monotonic() + _LONGEST_SECONDS
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            while _value(connection, "SELECT pg_is_in_recovery()"):
                if time.monotonic() > until:
                    raise ServiceError("PostgreSQL has not replayed its log within a day.")
                time.sleep(0.2)
            last = _value(connection, "SELECT pg_last_xact_replay_timestamp()")
            # This installation's passwords, which may differ from those in the copy.
            password = self._password()
            connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{password}'".encode())
        return last if isinstance(last, datetime) else None


def recover(data_dir: Path, until: datetime, fetch: Fetch) -> datetime | None:
    """Create a cluster in `data_dir` with its state at a point in time.

    Returns the time of the last transaction replayed, None if the copy of the cluster was enough.
    Raises ServiceError, also if there is a cluster already.
    """
    server = _Recovering(data_dir)
    if server.cluster.exists():
        raise ServiceError(
            f"{server.cluster} is there already. Move it elsewhere, keep it, and start the recovery"
            " again."
        )
    server.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recovery-", dir=server.data_dir) as name:
        folder = Path(name)
        fetch(until, folder)
        if server.outbox.is_dir():
            # The files that had not reached the repository when the old cluster was lost.
            shutil.copytree(server.outbox, folder / "wal", dirs_exist_ok=True)
        unfinished = folder / "cluster"
        unfinished.mkdir(mode=0o700)
        with tarfile.open(folder / "base.tar.gz") as base:
            # Python below 3.11.4, as of Debian 12, has no filters; the copy is encrypted, and ours.
            base.extraction_filter = getattr(tarfile, "data_filter", None)
            base.extractall(unfinished)  # noqa: S202
        _reserve_timelines(folder / "wal")
        _configure(unfinished, folder / "wal", until)
        _give_away(folder)
        server.cluster = unfinished
        try:
            server.start()
            last = server.finish()
        finally:
            server.stop(timeout=60)
        # The log from now on does not continue any copy in the repository: the archiver makes one.
        server.outbox.mkdir(mode=0o700, exist_ok=True)
        (server.outbox / BASE_NEEDED).touch()
        unfinished.rename(data_dir.resolve() / "cluster")
    return last


def _reserve_timelines(log: Path) -> None:
    """Let the recovered cluster begin a timeline that no file of the archive has.

    PostgreSQL takes the first one without a history, and without archiving no history is kept: a
    second recovery would reuse the names of the first one's files, which are never overwritten.
    """
    used = {int(file.name[:8], 16) for file in log.iterdir() if _SEGMENT.match(file.name)}
    for number in range(2, max(used, default=1) + 1):
        (log / f"{number:08X}.history").touch()


def _configure(cluster: Path, log: Path, until: datetime) -> None:
    command = f"cp {shlex.quote(str(log))}/".replace("%", "%%") + "%f %p"
    settings = {
        "restore_command": command,
        "recovery_target_time": until.isoformat(sep=" "),
        "recovery_target_action": "promote",
        # The timeline of the copy, not one that an earlier recovery has begun.
        "recovery_target_timeline": "current",
    }
    lines = [
        f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()
    ]
    with (cluster / "postgresql.auto.conf").open("a") as file:
        file.writelines(lines)
    (cluster / "recovery.signal").touch()
    # The ordinary start notices the difference, writes its own file and sets the passwords.
    (cluster / "pg_hba.conf").write_text(_ACCESS)


def _give_away(folder: Path) -> None:
    """Give the files to the unprivileged user as whom PostgreSQL runs if we are root."""
    if as_unprivileged():
        uid, gid = unprivileged_ids()
        for parent, folders, files in os.walk(folder):
            for each in (*folders, *files):
                os.chown(Path(parent) / each, uid, gid)


def _value(connection: "psycopg.Connection[tuple[object, ...]]", question: str) -> object:
    row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def fetching(command: list[str], environment: dict[str, str]) -> Fetch:
    """Fetch by `manage.py fetch_wal`, run as this command."""

    def fetch(until: datetime, folder: Path) -> None:
        arguments = [until.isoformat(), str(folder)]
        done = subprocess.run([*command, *arguments], env=environment, check=False)
        if done.returncode != 0:
            raise ServiceError("Nothing was recovered; the reason is above.")

    return fetch
