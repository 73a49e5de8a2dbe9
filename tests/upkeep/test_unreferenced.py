"""Only unreferenced stored files go to the trash."""

import hashlib
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from tests import dicom_files as files
from tests.helpers import audit_actions
from tests.intake.conftest import Send
from tests.upkeep.files import age, kept_files, remove_all
from webportal.audit.models import AuditEntry
from webportal.intake import blobs
from webportal.upkeep import unreferenced
from webportal.upkeep.models import RemovalPause
from webportal.upkeep.unreferenced import remove_unreferenced

pytestmark = pytest.mark.django_db(transaction=True)

DIGEST = "ab" * 32


def test_referenced_files_stay(send: Send, storage_folder: Path) -> None:
    send(files.dicom(files.phantom()))
    send(files.png(files.phantom(seed=1)))
    assert send(files.dicom(files.phantom(seed=2), PatientName="Doe^Jane")).verdict == "held"
    before = kept_files(storage_folder)
    age(storage_folder)
    assert remove_all() == 0
    assert kept_files(storage_folder) == before
    assert len(before) == 4
    assert "files.removed" not in audit_actions()
    assert not RemovalPause.objects.exists()


@pytest.mark.parametrize(
    "key",
    [
        blobs.original_key(DIGEST),
        blobs.dicom_key(DIGEST),
        f"held/{DIGEST[:8]}",
        f"dicom/ab/ab/.incoming-{DIGEST[:8]}",
    ],
)
def test_files_left_by_a_killed_process_are_removed_after_a_day(
    key: str, storage_folder: Path
) -> None:
    default_storage.save(key, ContentFile(b"left behind"))
    assert remove_all() == 0
    assert kept_files(storage_folder) == [key]
    age(storage_folder)
    assert remove_unreferenced(0xAB) == 1
    assert kept_files(storage_folder) == [f"trash/{key}"]
    entry = AuditEntry.objects.get(action="files.removed")
    assert (entry.actor, entry.detail) == ("system", {"key": key})


def test_a_file_sent_again_meanwhile_stays(
    send: Send, storage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = files.dicom(files.phantom())
    digest = send_and_forget(data)
    age(storage_folder)
    is_older = unreferenced._is_older

    def send_and_close() -> None:
        send(data)
        connection.close()

    def send_now(key: str, period: timedelta) -> bool:
        """What was looked at is sent again, by another process, before it is removed."""
        older = is_older(key, period)
        sender = threading.Thread(target=send_and_close)
        sender.start()
        sender.join()
        return older

    monkeypatch.setattr(unreferenced, "_is_older", send_now)
    assert remove_unreferenced(int(digest[:2], 16)) == 0
    assert kept_files(storage_folder) == [blobs.dicom_key(digest)]


def send_and_forget(data: bytes) -> str:
    """Store bytes as a process does that is killed before it commits."""
    digest = hashlib.sha256(data).hexdigest()
    default_storage.save(blobs.dicom_key(digest), ContentFile(data))
    return digest
