"""Files removed by the scheduler stay in the trash, can be restored, and are limited in number."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.factories import make_worker
from tests.helpers import audit_actions
from tests.intake.conftest import Send
from tests.upkeep.files import age, kept_files, leave_behind, remove_all
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.intake.held.resolution import HeldDecision, resolve
from webportal.intake.models import UploadItem, Verdict
from webportal.notifications.alerts import current_alerts
from webportal.storage import trash
from webportal.upkeep import pauses
from webportal.upkeep.models import PauseReason, RemovalPause

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_trash_keeps_a_file_for_its_period(storage_folder: Path, settings: Settings) -> None:
    settings.STORAGE_TRASH_DAYS = 30
    key = leave_behind(1)
    age(storage_folder)
    assert remove_all() == 1
    age(storage_folder, timedelta(days=29))
    remove_all()
    assert kept_files(storage_folder) == [trash.key_in_trash(key)]
    age(storage_folder, timedelta(days=2))
    remove_all()
    assert key not in str(kept_files(storage_folder))
    entry = AuditEntry.objects.get(action="trash.emptied")
    assert entry.detail == {"key": key}


def test_a_file_referenced_again_is_restored(send: Send, storage_folder: Path) -> None:
    radiograph = send(files.dicom(files.phantom())).radiograph
    assert radiograph is not None
    trash.discard(radiograph.dicom_key)
    assert radiograph.dicom_key not in kept_files(storage_folder)
    age(storage_folder, timedelta(days=400))
    remove_all()
    assert radiograph.dicom_key in kept_files(storage_folder)
    assert trash.key_in_trash(radiograph.dicom_key) not in kept_files(storage_folder)
    entry = AuditEntry.objects.get(action="file.put_back")
    assert entry.detail == {"key": radiograph.dicom_key}


def test_files_stored_again_do_not_fill_the_trash(send: Send, storage_folder: Path) -> None:
    data = files.dicom(files.phantom())
    radiograph = send(data).radiograph
    assert radiograph is not None
    trash.discard(radiograph.dicom_key)
    (storage_folder / radiograph.dicom_key).write_bytes(data)
    age(storage_folder, timedelta(days=400))
    remove_all()
    assert kept_files(storage_folder) == [radiograph.dicom_key]


def test_a_resolved_held_file_goes_to_the_trash(
    send: Send, uploader: User, storage_folder: Path
) -> None:
    send(files.dicom(files.phantom(seed=1)))
    item = send(files.dicom(files.phantom(seed=2), PatientName="Doe^Jane"))
    assert item.verdict == Verdict.HELD
    held_key = item.held_key
    resolve(item, HeldDecision.DISCARD, uploader)
    assert trash.key_in_trash(held_key) in kept_files(storage_folder)
    # As after a restore of a database of before the decision.
    UploadItem.objects.filter(pk=item.pk).update(verdict=Verdict.HELD, held_key=held_key)
    remove_all()
    assert held_key in kept_files(storage_folder)


@pytest.mark.parametrize(("share", "most", "left"), [(1.0, 3, 4), (0.0, 100, 3)])
def test_too_many_files_at_once_pause_removal(
    share: float, most: int, left: int, settings: Settings, storage_folder: Path, send: Send
) -> None:
    for seed in range(5):
        send(files.dicom(files.phantom(seed=seed)))
    make_worker()
    settings.STORAGE_REMOVAL_SHARE, settings.STORAGE_REMOVAL_FILES = share, most
    keys = {leave_behind(number) for number in range(left)}
    age(storage_folder)
    removed = remove_all()
    assert removed < left
    assert remove_all() == 0
    stored = set(kept_files(storage_folder))
    assert len(keys & stored) == left - removed
    (pause,) = pauses.open_pauses()
    assert pause.reason == PauseReason.TOO_MANY
    assert "removal_too_many" in [alert.code for alert in current_alerts()]


def test_while_paused_the_trash_is_not_emptied(storage_folder: Path) -> None:
    key = leave_behind(1)
    trash.discard(key)
    pauses.pause(PauseReason.TOO_MANY, 5)
    age(storage_folder, timedelta(days=400))
    remove_all()
    assert kept_files(storage_folder) == [trash.key_in_trash(key)]


def test_hospital_it_resumes_removal(
    storage_folder: Path, settings: Settings, it_person: User, sign_in: Callable[[User], Client]
) -> None:
    settings.STORAGE_REMOVAL_FILES = 0
    for number in range(4):
        leave_behind(number)
    age(storage_folder)
    first = remove_all()
    pause = RemovalPause.objects.get()
    client = sign_in(it_person)
    page = client.get("/operations").content.decode()
    address = f"/operations/removal/{pause.pk}/resume"
    assert address in page
    for _ in range(2):
        assert client.post(address).status_code == 302
    assert address not in client.get("/operations").content.decode()
    # For a day there is no limit, so that what was looked at goes in one round.
    assert remove_all() == 4 - first
    assert audit_actions().count("removal.paused") == audit_actions().count("removal.resumed") == 1
    RemovalPause.objects.update(ended_at=timezone.now() - timedelta(days=2))
    leave_behind(9)
    age(storage_folder)
    assert remove_all() == 0
    assert pauses.open_pauses().exists()
