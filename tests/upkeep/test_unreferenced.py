"""Files in the storage that no record names are removed, and no others."""

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from tests import dicom_files as files
from tests.helpers import audit_actions
from tests.intake.conftest import Send, stored_files
from webportal.audit.models import AuditEntry
from webportal.intake import blobs
from webportal.upkeep import unreferenced
from webportal.upkeep.unreferenced import SLICES, remove_unreferenced

pytestmark = pytest.mark.django_db(transaction=True)

DIGEST = "ab" * 32
TWO_DAYS = 2 * 24 * 3600


def age(folder: Path) -> None:
    """Make every stored file two days old."""
    then = time.time() - TWO_DAYS
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def remove_all() -> int:
    return sum(remove_unreferenced(number) for number in range(SLICES))


def test_what_a_record_names_stays(send: Send, storage_folder: Path) -> None:
    send(files.dicom(files.phantom()))
    send(files.png(files.phantom(seed=1)))
    assert send(files.dicom(files.phantom(seed=2), PatientName="Doe^Jane")).verdict == "held"
    before = stored_files(storage_folder)
    age(storage_folder)
    assert remove_all() == 0
    assert stored_files(storage_folder) == before
    assert len(before) == 4
    assert "files.removed" not in audit_actions()


@pytest.mark.parametrize(
    "key",
    [
        blobs.original_key(DIGEST),
        blobs.dicom_key(DIGEST),
        f"held/{DIGEST[:8]}",
        f"dicom/ab/ab/.incoming-{DIGEST[:8]}",
    ],
)
def test_what_a_killed_process_left_goes_after_a_day(key: str, storage_folder: Path) -> None:
    default_storage.save(key, ContentFile(b"left behind"))
    assert remove_all() == 0
    assert stored_files(storage_folder) == [key]
    age(storage_folder)
    assert remove_unreferenced(0xAB) == 1
    assert stored_files(storage_folder) == []
    entry = AuditEntry.objects.get(action="files.removed")
    assert (entry.actor, entry.detail) == ("system", {"files": 1})


def test_a_file_that_is_sent_again_meanwhile_stays(
    send: Send, storage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = files.dicom(files.phantom())
    digest = send_and_forget(data)
    age(storage_folder)
    is_young = unreferenced._is_young

    def send_and_close() -> None:
        send(data)
        connection.close()

    def send_now(key: str) -> bool:
        """What was looked at is sent again, by another process, before it is removed."""
        young = is_young(key)
        sender = threading.Thread(target=send_and_close)
        sender.start()
        sender.join()
        return young

    monkeypatch.setattr(unreferenced, "_is_young", send_now)
    assert remove_unreferenced(int(digest[:2], 16)) == 0
    assert stored_files(storage_folder) == [blobs.dicom_key(digest)]


def send_and_forget(data: bytes) -> str:
    """Store bytes as a process does that is killed before it commits."""
    digest = hashlib.sha256(data).hexdigest()
    default_storage.save(blobs.dicom_key(digest), ContentFile(data))
    return digest
