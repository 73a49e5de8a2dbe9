"""Where the storage, the database or our own code fails, nothing of a file is left half-stored."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files import File
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.factories import make_radiograph
from tests.intake.conftest import Send, counts, stored_files
from webportal.intake.errors import StorageFullError, StorageNotOursError, StorageReadOnlyError
from webportal.records import storage_identity
from webportal.storage import DurableFileSystemStorage, is_storage_away

pytestmark = pytest.mark.django_db


def test_a_nearly_full_disk_accepts_nothing(
    send: Send, settings: Settings, storage_folder: Path
) -> None:
    settings.UPLOAD_MIN_FREE_BYTES = 2**62
    with pytest.raises(StorageFullError):
        send(files.png(files.phantom()))
    assert not any(counts().values())
    assert not storage_folder.exists()


@pytest.mark.parametrize(
    "target",
    ["webportal.inference.queue.enqueue_new", "webportal.intake.pipeline.store.append_all"],
)
@pytest.mark.parametrize("make", [files.png, lambda pixels: files.dicom(pixels)])
def test_no_bytes_are_left_if_the_records_fail(
    target: str,
    make: Callable[..., bytes],
    send: Send,
    storage_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise OSError("database gone")

    data = make(files.phantom())
    monkeypatch.setattr(target, fail)
    with pytest.raises(OSError, match="database gone"):
        send(data)
    assert not any(counts().values())
    assert stored_files(storage_folder) == []
    monkeypatch.undo()
    assert send(data).verdict == "accepted"


def test_no_records_are_left_if_the_volume_goes_while_a_file_is_written(
    send: Send, storage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(files.png(files.phantom()))
    before = counts()
    save = DurableFileSystemStorage._save

    def save_elsewhere(self: DurableFileSystemStorage, name: str, content: File[bytes]) -> str:
        storage_folder.rename(storage_folder.with_name("volume"))
        return save(self, name, content)

    monkeypatch.setattr(DurableFileSystemStorage, "_save", save_elsewhere)
    with pytest.raises(StorageNotOursError):
        send(files.png(files.phantom(seed=2)))
    assert counts() == before
    assert stored_files(storage_folder) == []


def test_a_file_that_is_stored_already_waits_for_the_volume_too(
    send: Send, storage_folder: Path
) -> None:
    """Whether it is stored in one piece cannot be told meanwhile."""
    sent = files.png(files.phantom())
    send(sent)
    before = counts()
    storage_folder.rename(storage_folder.with_name("volume"))
    with pytest.raises(StorageNotOursError):
        send(sent)
    assert counts() == before
    storage_folder.with_name("volume").rename(storage_folder)
    assert send(sent).verdict in ("accepted", "duplicate")


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EROFS, StorageReadOnlyError),
        (errno.EACCES, StorageReadOnlyError),
    ],
)
def test_no_records_are_left_if_the_storage_fails(
    send: Send,
    storage_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: int,
    refusal: type[Exception],
) -> None:
    save = DurableFileSystemStorage._save

    def full(self: DurableFileSystemStorage, name: str, content: File[bytes]) -> str:
        if name.startswith("dicom/"):
            raise OSError(reason, "It cannot be written")
        return save(self, name, content)

    monkeypatch.setattr(DurableFileSystemStorage, "_save", full)
    with pytest.raises(refusal):
        send(files.png(files.phantom()))
    assert not any(counts().values())
    assert stored_files(storage_folder) == []


def test_an_internal_error_is_a_verdict_and_logs_nothing_of_the_file(
    send: Send, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr("webportal.intake.pipeline.match.match", fail)
    item = send(files.dicom(files.phantom(), PatientName="Doe^Jane"))
    assert (item.verdict, item.reason_code) == ("refused", "internal_error")
    assert "RuntimeError" in caplog.text
    assert "Doe" not in caplog.text


def test_the_first_image_may_be_stored_while_another_request_looks_at_the_storage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look_and_be_overtaken() -> bool:
        was_away = is_storage_away()
        if was_away:
            make_radiograph()
        return was_away

    monkeypatch.setattr(storage_identity, "is_storage_away", look_and_be_overtaken)
    assert storage_identity.is_our_storage()
