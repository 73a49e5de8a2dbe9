"""A restored database is older than the storage; no stored file may be lost because of that."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client

from deploy.local.services import postgres_programs
from tests import dicom_files as files
from tests import services
from tests.factories import make_worker
from tests.intake.conftest import Send, stored_files
from tests.upkeep.files import age, leave_behind, remove_all
from webportal.accounts.models import User
from webportal.intake.models import UploadBatch
from webportal.notifications.alerts import current_alerts
from webportal.records.models import Radiograph
from webportal.upkeep import database_mark, pauses
from webportal.upkeep.models import PauseReason

pytestmark = pytest.mark.django_db(transaction=True)


def run(program: str, *arguments: str) -> None:
    url = urlsplit(services.postgres.url)._replace(path=f"/{connection.settings_dict['NAME']}")
    command = [str(postgres_programs() / program), "--dbname", url.geturl(), *arguments]
    subprocess.run(command, check=True)


def dump(to: Path) -> None:
    run("pg_dump", "--format", "custom", "--file", str(to))


def restore(source: Path) -> None:
    connections.close_all()
    run("psql", "--quiet", "--command", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    run("pg_restore", "--exit-on-error", str(source))


def keys_of(item_files: list[str]) -> list[str]:
    return [name for name in item_files if name.startswith(("dicom/", "originals/"))]


def test_after_a_restore_nothing_is_lost(
    send: Send,
    storage_folder: Path,
    tmp_path: Path,
    it_person: User,
    sign_in: Callable[[User], Client],
) -> None:
    before = [files.dicom(files.phantom(seed=seed)) for seed in range(3)]
    after = [files.dicom(files.phantom(seed=seed)) for seed in range(3, 13)]
    for data in before:
        send(data)
    pauses.watch_database()
    dump(tmp_path / "dump")
    for data in after:
        send(data)
    pauses.watch_database()
    everything = stored_files(storage_folder)
    assert len(keys_of(everything)) == 13

    restore(tmp_path / "dump")
    make_worker()
    assert Radiograph.objects.count() == 3
    age(storage_folder)
    for _ in range(2):
        assert remove_all() == 0
    assert stored_files(storage_folder) == everything
    assert [each.reason for each in pauses.open_pauses()] == [PauseReason.OLDER_DATABASE]
    assert "removal_older_database" in [alert.code for alert in current_alerts()]

    # What is in no record is listed, and comes back when it is uploaded again.
    output = io.StringIO()
    call_command("unreferenced_files", stdout=output)
    listed = output.getvalue().split()
    assert len(listed) == 10
    for key in listed:
        assert send((storage_folder / key).read_bytes()).verdict == "accepted"
    client = sign_in(it_person)
    client.post(f"/operations/removal/{pauses.open_pauses().get().pk}/resume")
    assert not database_mark.is_contradicted()
    assert remove_all() == 0
    assert not pauses.open_pauses().exists()
    assert keys_of(stored_files(storage_folder)) == keys_of(everything)


def test_a_restore_is_detected_even_if_the_trail_has_grown_past_the_mark(
    send: Send, storage_folder: Path, tmp_path: Path
) -> None:
    send(files.dicom(files.phantom(seed=1)))
    dump(tmp_path / "dump")
    send(files.dicom(files.phantom(seed=2)))
    pauses.watch_database()
    restore(tmp_path / "dump")
    for seed in range(3, 6):
        send(files.dicom(files.phantom(seed=seed)))
    pauses.watch_database()
    assert pauses.open_pauses().get().reason == PauseReason.OLDER_DATABASE


def test_trashed_files_are_restored_for_a_newer_database(
    send: Send, storage_folder: Path, tmp_path: Path, it_person: User
) -> None:
    """Somebody resumes the removal after an old restore, and only then finds the newer dump."""
    send(files.dicom(files.phantom(seed=1)))
    dump(tmp_path / "old")
    for seed in range(2, 4):
        send(files.dicom(files.phantom(seed=seed)))
    dump(tmp_path / "new")
    pauses.watch_database()
    everything = keys_of(stored_files(storage_folder))
    restore(tmp_path / "old")
    age(storage_folder)
    remove_all()
    pauses.resume(pauses.open_pauses().get(), it_person)
    assert remove_all() == 2
    assert len(keys_of(stored_files(storage_folder))) == 1
    restore(tmp_path / "new")
    remove_all()
    assert keys_of(stored_files(storage_folder)) == everything


def test_an_empty_storage_gets_no_mark(storage_folder: Path, batch: UploadBatch) -> None:
    """Its volume may not be mounted."""
    storage_folder.mkdir()
    pauses.watch_database()
    assert stored_files(storage_folder) == []
    leave_behind(1)
    pauses.watch_database()
    assert database_mark.KEY in stored_files(storage_folder)


def test_an_unreadable_mark_counts_as_that_of_another_database(
    batch: UploadBatch, storage_folder: Path
) -> None:
    storage_folder.mkdir()
    (storage_folder / database_mark.KEY).write_bytes(b"{")
    pauses.watch_database()
    assert pauses.open_pauses().get().reason == PauseReason.OLDER_DATABASE
