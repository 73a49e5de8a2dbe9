"""All stored files are read in turn and verified; faults are reported until repaired."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from scheduler.tasks import check_storage
from tests import dicom_files as files
from tests.factories import make_worker
from tests.helpers import audit_actions
from tests.intake.conftest import Send
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.intake.held.resolution import HeldDecision, resolve
from webportal.notifications.alerts import current_alerts
from webportal.records.file_faults import open_faults
from webportal.records.models import FileFault, Radiograph
from webportal.storage import StorageAwayError, read_verified
from webportal.upkeep import checking
from webportal.upkeep.models import StorageCheck

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def radiographs(send: Send) -> list[Radiograph]:
    """Two DICOM files, a JPEG, and a file that is held."""
    send(files.dicom(files.phantom(seed=1)))
    send(files.dicom(files.phantom(seed=2), StudyInstanceUID="1.2.3", PatientID="Other"))
    send(files.jpeg(files.phantom(seed=3)))
    assert send(files.dicom(files.phantom(seed=4), PatientName="Doe^Jane")).verdict == "held"
    return list(Radiograph.objects.order_by("pk"))


def step(most_bytes: int = 1) -> StorageCheck:
    return checking.check_some(checking.begin(), most_bytes=most_bytes, most_seconds=60)


def damage(folder: Path, key: str) -> None:
    path = folder / key
    path.write_bytes(path.read_bytes()[:-1] + b"\1\1")


def test_a_round_resumes_where_it_stopped(radiographs: list[Radiograph]) -> None:
    for number in (1, 2, 3, 4):
        check = step()
        assert check.checked_images == number
        assert (check.finished_at is not None) == (number == 4)
    assert (check.images, check.faults) == (4, 0)
    assert not FileFault.objects.exists()
    assert StorageCheck.objects.count() == 1
    step()
    assert StorageCheck.objects.count() == 2


def test_hospital_it_is_notified_of_faults(
    radiographs: list[Radiograph],
    storage_folder: Path,
    it_person: User,
    sign_in: Callable[[User], Client],
) -> None:
    make_worker()
    (jpeg,) = [each for each in radiographs if each.media_type == "image/jpeg"]
    first, second = [each for each in radiographs if each != jpeg]
    damage(storage_folder, first.dicom_key)
    kept = (storage_folder / second.dicom_key).read_bytes()
    (storage_folder / second.dicom_key).unlink()
    damage(storage_folder, jpeg.original_key)
    (held,) = (storage_folder / "held").iterdir()
    damage(storage_folder, f"held/{held.name}")
    check = step(2**40)
    assert check.finished_at is not None
    assert check.faults == 4
    found = dict(open_faults().values_list("key", "kind"))
    assert found == {
        first.dicom_key: "damaged",
        second.dicom_key: "missing",
        jpeg.original_key: "damaged",
        f"held/{held.name}": "damaged",
    }
    assert audit_actions().count("file.damaged") == 4
    assert "file_fault" in [alert.code for alert in current_alerts()]
    client = sign_in(it_person)
    page = client.get("/operations").content.decode()
    assert all(key in page for key in found)

    # Put back from a backup, and checked again.
    fault = open_faults().get(key=second.dicom_key)
    assert "still missing" in client.post(check_of(fault), follow=True).content.decode()
    (storage_folder / second.dicom_key).write_bytes(kept)
    assert "as it was received" in client.post(check_of(fault), follow=True).content.decode()
    assert not open_faults().filter(pk=fault.pk).exists()
    assert AuditEntry.objects.get(action="file.repaired").actor == it_person.username
    # Noted once however often it is found.
    step(2**40)
    assert open_faults().count() == 3
    assert audit_actions().count("file.damaged") == 4


def check_of(fault: FileFault) -> str:
    return f"/operations/files/{fault.pk}/check"


def test_the_next_round_closes_faults_repaired_by_hand(
    radiographs: list[Radiograph], storage_folder: Path
) -> None:
    path = storage_folder / radiographs[0].dicom_key
    kept = path.read_bytes()
    path.write_bytes(b"other")
    step(2**40)
    path.write_bytes(kept)
    step(2**40)
    assert not open_faults().exists()


def test_a_resolved_held_file_is_no_fault(
    radiographs: list[Radiograph], send: Send, uploader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = send(files.dicom(files.phantom(seed=5), PatientName="Doe^Jack"))
    read = read_verified

    def decide_first(key: str, sha256: str) -> bytes:
        if key == item.held_key:
            resolve(item, HeldDecision.DISCARD, uploader)
        return read(key, sha256)

    monkeypatch.setattr(checking, "read_verified", decide_first)
    step(2**40)
    assert not FileFault.objects.exists()


def test_an_empty_storage_reports_no_faulty_files(
    radiographs: list[Radiograph], storage_folder: Path
) -> None:
    storage_folder.rename(storage_folder.with_name("hidden"))
    storage_folder.mkdir()
    with pytest.raises(StorageAwayError):
        step()
    with pytest.raises(CommandError, match="is its volume mounted"):
        call_command("check_storage")
    assert not FileFault.objects.exists()


def test_concurrent_checks_count_once(radiographs: list[Radiograph]) -> None:
    check = checking.begin()
    same = StorageCheck.objects.get(pk=check.pk)
    for each in (check, same):
        checking.check_some(each, most_bytes=1, most_seconds=60)
    assert StorageCheck.objects.get().checked_images == 1


def test_the_command_names_faulty_files_and_fails(
    radiographs: list[Radiograph], storage_folder: Path
) -> None:
    output = io.StringIO()
    call_command("check_storage", "--megabytes-per-second", "0", stdout=output)
    assert "4 images" in output.getvalue()
    damage(storage_folder, radiographs[0].dicom_key)
    with pytest.raises(CommandError, match="1 stored files are missing or damaged"):
        call_command("check_storage", stdout=output)
    assert f"damaged: {radiographs[0].dicom_key}" in output.getvalue()


def test_the_scheduler_starts_a_round_when_due(
    radiographs: list[Radiograph], settings: Settings
) -> None:
    settings.STORAGE_CHECK_DAYS = 0
    check_storage()
    assert not StorageCheck.objects.exists()
    settings.STORAGE_CHECK_DAYS = 7
    for _ in range(2):
        check_storage()
    assert StorageCheck.objects.get().finished_at is not None
    StorageCheck.objects.update(started_at=timezone.now() - timedelta(days=8))
    check_storage()
    assert StorageCheck.objects.count() == 2
