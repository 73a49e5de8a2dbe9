"""Files are stored in a folder or in an S3 bucket, depending on STORAGE_URL."""

import errno
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils import timezone
from moto.server import ThreadedMotoServer

import webportal.storage
from webportal.storage import (
    DamagedFileError,
    list_folder,
    modified_at,
    read_verified,
    storage_from_url,
    trash,
)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="radiographs")
    yield "radiographs"
    server.stop()


def open_storage(url: str) -> Storage:
    return storages.create_storage(storage_from_url(url))


def write_read_delete(storage: Storage) -> None:
    name = storage.save("dicom/ab/cd/abcd.dcm", ContentFile(b"first"))
    assert name == "dicom/ab/cd/abcd.dcm"
    assert storage.exists(name)
    # Written again under the same name, not beside it.
    assert storage.save(name, ContentFile(b"first")) == name
    with storage.open(name) as file:
        assert file.read() == b"first"
    storage.delete(name)
    assert not storage.exists(name)


def test_what_was_saved_and_the_folders_made_for_it_survive_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    storage = open_storage(f"file://{tmp_path}/storage")
    storage.save("dicom/ab/abcd.dcm", ContentFile(b"first"))
    changed = [tmp_path, *(tmp_path / each for each in ("storage", "storage/dicom"))]
    assert flushed[:3] == changed
    assert flushed[-1] == tmp_path / "storage/dicom/ab"
    assert len(flushed) == 5

    flushed.clear()
    storage.save("dicom/ab/abce.dcm", ContentFile(b"second"))
    assert len(flushed) == 2


def move_and_date(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the trash needs of a storage."""
    for module in (webportal.storage, trash):
        monkeypatch.setattr(module, "default_storage", storage)
    storage.save("held/1", ContentFile(b"held"))
    before = timezone.now() - timedelta(seconds=2)
    trash.discard("held/1")
    trash.discard("held/1")
    assert not storage.exists("held/1")
    assert modified_at("held/1") is None
    came = modified_at("trash/held/1")
    assert came is not None
    assert came >= before
    assert list_folder("trash/held")[1] == ["1"]
    assert trash.take_back("held/1")
    assert not trash.take_back("held/1")
    with storage.open("held/1") as file:
        assert file.read() == b"held"
    assert not storage.exists("trash/held/1")
    assert list_folder("nowhere") == ([], [])


def test_a_folder_has_a_trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_and_date(open_storage(f"file://{tmp_path}/storage"), monkeypatch)


def test_a_bucket_has_a_trash(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    move_and_date(open_storage(f"s3://{bucket}/hospital"), monkeypatch)


def test_a_folder_stores_files(tmp_path: Path) -> None:
    write_read_delete(open_storage(f"file://{tmp_path}/with%20space"))
    assert (tmp_path / "with space").is_dir()


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    class Torn(ContentFile[bytes]):
        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield b"half"
            raise ConnectionError

    storage = open_storage(f"file://{tmp_path}")
    with pytest.raises(ConnectionError):
        storage.save("dicom/torn.dcm", Torn(b"half and half"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_unreadable_on_disk_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    class BadDisk(FileSystemStorage):
        def open(self, name: str, mode: str = "rb") -> File[Any]:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(webportal.storage, "default_storage", BadDisk())
    with pytest.raises(DamagedFileError):
        read_verified("dicom/a.dcm", "0" * 64)


def test_a_bucket_stores_files(bucket: str) -> None:
    write_read_delete(open_storage(f"s3://{bucket}/hospital"))


@pytest.mark.parametrize("url", ["", "/folder", "file://host/folder", "s3:///prefix", "ftp://x/y"])
def test_an_unsupported_url_is_refused_with_instructions(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="file:///absolute/folder or s3://bucket"):
        storage_from_url(url)
