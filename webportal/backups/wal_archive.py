"""The archive of the write-ahead log, for point-in-time recovery of the database.

The repository holds, encrypted, copies of the whole cluster (*bases*) and every file of the log
written since the oldest of them. It is for the PostgreSQL of a single machine, whose server copies
the files into a folder from which they are taken here (deploy/local/services.py).
"""

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from django.utils import timezone

from webportal.backups import database, encryption, repository
from webportal.backups.errors import BackupError

_FOLDER = "wal"
_BASE = re.compile(r"base-(\d{8}T\d{6})\.tar\.gz\.age")
_FORMAT = "%Y%m%dT%H%M%S"
_REPLICA_ROLE = "chestline_replica"


LATE = timedelta(minutes=15)


def is_late(outbox: Path) -> bool:
    """Whether a file has waited in the outbox for longer than the repository may be away."""
    if not outbox.is_dir():
        return False
    oldest = min((file.stat().st_mtime for file in waiting(outbox)), default=None)
    return oldest is not None and oldest < (timezone.now() - LATE).timestamp()


def waiting(outbox: Path) -> list[Path]:
    """The files in the outbox that are complete, oldest first."""
    return sorted(file for file in outbox.iterdir() if not file.name.startswith("."))


def ship(outbox: Path) -> int:
    """Move the files of the log from the outbox into the repository; returns how many."""
    files = waiting(outbox)
    for file in files:
        name = f"{_FOLDER}/{file.name}.gz.age"
        # If an earlier run was interrupted before removing it, the repository has it, identical.
        if repository.size(name) is None:
            with tempfile.TemporaryFile() as packed:
                # The rest of a file that was closed early consists of zeros.
                with file.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
                    shutil.copyfileobj(source, target)
                packed.seek(0)
                repository.put(name, packed)
        file.unlink()
    return len(files)


def bases() -> list[datetime]:
    """When the bases in the repository were begun, oldest first."""
    found = (_BASE.fullmatch(name) for name in _names())
    return sorted(datetime.strptime(each[1], _FORMAT).replace(tzinfo=UTC) for each in found if each)


def take_base(socket_folder: Path, password: str) -> datetime:
    """Copy the whole cluster into the repository; returns when that was begun.

    The log written meanwhile belongs to it. Raises BackupError.
    """
    begun = timezone.now().replace(microsecond=0)
    process = subprocess.Popen(
        [
            database.program("pg_basebackup"),
            *("--pgdata=-", "--format=tar", "--gzip", "--wal-method=none", "--checkpoint=fast"),
            *("--no-password", f"--host={socket_folder}", f"--username={_REPLICA_ROLE}"),
        ],
        env=os.environ | {"PGPASSWORD": password},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        try:
            repository.put(
                _base_name(begun),
                process.stdout,
                lambda: database.check_ended("pg_basebackup", process),
            )
        finally:
            process.kill()
    return begun


def delete_before(oldest: datetime) -> None:
    """Delete bases from before `oldest`, and the log that only they need.

    The newest base from before it is kept, so that every time since `oldest` can be restored.
    """
    needed = max((each for each in bases() if each <= oldest), default=None)
    if needed is None:
        return
    # What a base needs of the log was closed, and therefore stored, after it was begun. Which
    # timelines there were stays known.
    for name in [each for each in _names() if ".history" not in each]:
        if repository.modified(f"{_FOLDER}/{name}") < needed - timedelta(minutes=1):
            repository.delete(f"{_FOLDER}/{name}")


def fetch(until: datetime, folder: Path) -> datetime:
    """Decrypt the newest base from before `until`, and the log since, into a folder.

    The base becomes `base.tar.gz`, the log a folder `wal`. Returns when the base was begun. Raises
    BackupError.
    """
    begun = max((each for each in bases() if each < until), default=None)
    if begun is None:
        raise BackupError("no_backup", f"There is no copy of the cluster from before {until}.")
    (folder / "wal").mkdir()
    with (folder / "base.tar.gz").open("wb") as target:
        _decrypt(_base_name(begun).removeprefix(f"{_FOLDER}/"), target)
    for name in _names():
        if name.endswith(".gz.age") and not _BASE.fullmatch(name):
            with tempfile.TemporaryFile() as packed:
                _decrypt(name, packed)
                packed.seek(0)
                with (
                    gzip.open(packed) as source,
                    (folder / "wal" / name.removesuffix(".gz.age")).open("wb") as file,
                ):
                    shutil.copyfileobj(source, file)
    return begun


def _decrypt(name: str, target: IO[bytes]) -> None:
    with repository.storage().open(f"{_FOLDER}/{name}") as source:
        encryption.decrypt(source, target)


def _base_name(begun: datetime) -> str:
    return f"{_FOLDER}/base-{begun:{_FORMAT}}.tar.gz.age"


def _names() -> list[str]:
    try:
        return sorted(repository.storage().listdir(_FOLDER)[1])
    except FileNotFoundError:
        return []
