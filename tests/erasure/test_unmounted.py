"""Nothing is called erased while the disk that has it is not mounted."""

import shutil
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.backups.conftest import use_repository
from tests.erasure.test_what_may_be_others import confirmed, header, in_inbox, node, patient
from webportal.backups.models import Backup
from webportal.erasure import execution
from webportal.erasure.models import Erasure
from webportal.erasure.register import RegisterError
from webportal.network.models import Node
from webportal.records.models import Patient, Study

__all__ = ["node", "patient"]

pytestmark = pytest.mark.django_db


def resumed() -> tuple[str, str]:
    execution.carry_out_confirmed(60)
    erasure = Erasure.objects.get()
    return erasure.state, erasure.waits_for


def unmount(folder: Path) -> Path:
    """Leave the empty folder that lies beneath a volume."""
    away = folder.rename(folder.with_name(f"{folder.name}-away"))
    folder.mkdir()
    return away


def mount(away: Path, folder: Path) -> None:
    assert list(folder.rglob("*")) == []
    folder.rmdir()
    away.rename(folder)


def test_rows_and_files_wait_for_the_storage(
    patient: Patient, storage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(patient)
    away = unmount(storage_folder)
    assert resumed() == ("confirmed", "storage")
    assert Study.objects.exists()
    mount(away, storage_folder)
    # Unmounted between the rows and the files; the only patient, so that no image is on record.
    monkeypatch.setattr("webportal.erasure.files.may_remove_for_good", lambda: False)
    assert resumed() == ("confirmed", "backup")
    assert not Study.objects.exists()
    monkeypatch.undo()
    away = unmount(storage_folder)
    assert resumed() == ("confirmed", "storage")
    mount(away, storage_folder)
    images = list((storage_folder / "factory").iterdir())
    assert len(images) == 1
    assert resumed() == ("done", "")
    assert not images[0].exists()


def test_the_register_waits_for_the_storage(patient: Patient, storage_folder: Path) -> None:
    erasure = confirmed(patient)
    while execution._erase_next(erasure.pk, again=False):
        pass
    assert execution._remove_files(Erasure.objects.get()) == ""
    away = unmount(storage_folder)
    assert resumed() == ("confirmed", "storage")
    mount(away, storage_folder)
    assert resumed() == ("done", "")
    assert len(list((storage_folder / "erasures").iterdir())) == 1


def test_the_inbox_has_to_be_mounted(patient: Patient, node: Node, inbox_folder: Path) -> None:
    row = in_inbox(inbox_folder, node, header())
    confirmed(patient)
    away = inbox_folder.rename(inbox_folder.with_name("away"))
    assert resumed() == ("confirmed", "inbox")
    assert Study.objects.exists()
    inbox_folder.mkdir()
    assert resumed() == ("confirmed", "inbox")
    mount(away, inbox_folder)
    assert resumed() == ("done", "")
    assert not (inbox_folder / row.file_name).exists()


def test_nothing_is_repeated_after_a_restore_without_the_inbox(
    patient: Patient, node: Node, inbox_folder: Path
) -> None:
    in_inbox(inbox_folder, node, header(PatientName="Somebody^Else"))
    confirmed(patient)
    assert resumed() == ("done", "")
    assert execution.reapply() == 0
    away = inbox_folder.rename(inbox_folder.with_name("away"))
    with pytest.raises(RegisterError, match="mount DICOM_INBOX"):
        execution.reapply()
    away.rename(inbox_folder)
    assert execution.reapply() == 0


def test_the_register_waits_for_the_repository(
    patient: Patient, tmp_path: Path, settings: Settings
) -> None:
    folder = tmp_path / "repository"
    use_repository(folder, settings)
    confirmed(patient)
    assert resumed() == ("confirmed", "repository")
    now = timezone.now()
    Backup.objects.create(
        name="20260101T000000Z", state="complete", started_at=now, seen_at=now, finished_at=now
    )
    folder.mkdir()
    assert resumed() == ("confirmed", "repository")
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
    folder.mkdir()
    Backup.objects.all().delete()
    assert resumed() == ("done", "")
    assert len(list((folder / "erasures").iterdir())) == 1
