"""Restoring the database of a single machine to a point in time, with the real servers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from deploy.local import recovery
from deploy.local.errors import ServiceError
from deploy.local.services import Postgres
from deploy.local.system import ROOT
from tests.helpers import wait_until
from webportal.backups import encryption, health, wal_archive
from webportal.backups.errors import BackupError
from webportal.storage import storage_from_url

pytestmark = pytest.mark.django_db


@pytest.fixture
def repository(tmp_path: Path, settings: Settings) -> Path:
    secret, public = encryption.new_identity()
    settings.BACKUP_RECIPIENTS, settings.BACKUP_IDENTITY = [public], secret
    folder = tmp_path / "repository"
    folder.mkdir()
    settings.BACKUP_REPOSITORY = f"file://{folder}"
    settings.STORAGES = settings.STORAGES | {"backups": storage_from_url(f"file://{folder}")}
    return folder


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path / "one" / "postgres", archive=True) as server:
        yield server


def take_base(server: Postgres) -> datetime:
    return wal_archive.take_base(server.socket_dir, server.replica_password_file.read_text())


def write(server: Postgres, word: str) -> datetime:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS uploads (name text)")
        connection.execute("INSERT INTO uploads VALUES (%s)", [word])
    return timezone.now()


def fetch(until: datetime, folder: Path) -> None:
    wal_archive.fetch(until, folder)


def test_the_database_is_restored_to_a_time_between_two_uploads(
    tmp_path: Path, repository: Path, postgres: Postgres
) -> None:
    take_base(postgres)
    write(postgres, "first upload")
    time.sleep(0.3)
    between = timezone.now()
    time.sleep(0.3)
    write(postgres, "second upload")
    postgres.stop()
    wal_archive.ship(postgres.outbox)
    assert list(postgres.outbox.iterdir()) == []
    assert not any(word in _octets(repository) for word in (b"first upload", b"second upload"))
    place = tmp_path / "two" / "postgres"
    last = recovery.recover(place, between, fetch)
    assert last is not None
    assert last < between
    # It starts as any other, with the passwords of its own folder.
    with Postgres(place) as restored, psycopg.connect(restored.url) as connection:
        found = connection.execute("SELECT name FROM uploads").fetchall()
        assert found == [("first upload",)]
        connection.execute("INSERT INTO uploads VALUES ('later')")
    with Postgres(place) as restored, psycopg.connect(restored.runtime_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(ServiceError, match="is there already"):
        recovery.recover(place, between, fetch)


def _octets(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_time_that_is_not_archived_is_refused_and_leaves_nothing(
    tmp_path: Path, repository: Path, postgres: Postgres
) -> None:
    begun = take_base(postgres)
    write(postgres, "first upload")
    postgres.stop()
    wal_archive.ship(postgres.outbox)
    place = tmp_path / "two" / "postgres"
    with pytest.raises(ServiceError, match="recovery ended before configured recovery target"):
        recovery.recover(place, timezone.now() + timedelta(hours=1), fetch)
    with pytest.raises(BackupError, match="no copy of the cluster"):
        recovery.recover(place, begun - timedelta(seconds=1), fetch)
    assert [each.name for each in place.iterdir() if each.is_dir()] == []


def test_the_replica_role_copies_the_cluster_and_reads_no_table(postgres: Postgres) -> None:
    write(postgres, "first upload")
    password = postgres.replica_password_file.read_text()
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        psycopg.connect(
            f"host={postgres.socket_dir} user=chestline_replica dbname=chestline",
            password=password,
        )


def test_the_archive_is_kept_by_a_process_and_survives_an_absent_repository(
    tmp_path: Path, repository: Path, postgres: Postgres, settings: Settings
) -> None:
    settings.WAL_OUTBOX = str(postgres.outbox)
    away = tmp_path / "away"
    repository.rename(away)
    environment = os.environ | {
        "BACKUP_REPOSITORY": settings.BACKUP_REPOSITORY,
        "BACKUP_RECIPIENTS": settings.BACKUP_RECIPIENTS[0],
    }
    places = (postgres.outbox, postgres.socket_dir, postgres.replica_password_file)
    command = [sys.executable, "manage.py", "archive_wal", *map(str, places)]
    write(postgres, "first upload")
    postgres.stop()
    assert wal_archive.waiting(postgres.outbox)
    postgres.start()
    with pytest.raises(BackupError, match="does not exist"):
        wal_archive.ship(postgres.outbox)
    assert not wal_archive.is_late(postgres.outbox)
    for file in wal_archive.waiting(postgres.outbox):
        os.utime(file, (0, 0))
    assert "wal_not_archived" in health.problems()
    away.rename(repository)
    with subprocess.Popen(command, env=environment, cwd=ROOT) as archiver:
        try:
            wait_until(lambda: list(repository.glob("wal/base-*.age")) != [], "there is a base")
            wait_until(lambda: wal_archive.waiting(postgres.outbox) == [], "the log is archived")
        finally:
            archiver.terminate()
    assert list(repository.glob("wal/0*.gz.age")) != []
    assert not wal_archive.is_late(postgres.outbox)


def test_old_copies_and_their_log_are_deleted(
    tmp_path: Path, repository: Path, postgres: Postgres
) -> None:
    take_base(postgres)
    postgres.stop()
    wal_archive.ship(postgres.outbox)
    an_hour_ago = time.time() - 3600
    folder = repository / "wal"
    [base] = folder.glob("base-*")
    base = base.rename(folder / "base-20260101T000000.tar.gz.age")
    old = set(folder.iterdir())
    for file in old:
        os.utime(file, (an_hour_ago, an_hour_ago))
    wal_archive.delete_before(timezone.now())
    assert set(folder.iterdir()) == old
    postgres.start()
    newest = take_base(postgres)
    postgres.stop()
    wal_archive.ship(postgres.outbox)
    # Times between the two can still be asked for.
    wal_archive.delete_before(newest - timedelta(minutes=1))
    assert old <= set(folder.iterdir())
    wal_archive.delete_before(newest)
    assert not old & set(folder.iterdir())
    place = tmp_path / "two" / "postgres"
    with pytest.raises(ServiceError, match="recovery ended before"):
        recovery.recover(place, timezone.now(), fetch)
