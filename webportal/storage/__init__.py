"""Storage backends for uploaded files: a folder, or an S3 bucket."""

import errno
import hashlib
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage

_CHUNK = 1024**2


class DamagedFileError(Exception):
    """A stored file differs from what was recorded when it was stored."""


class StorageAwayError(OSError):
    """The storage as a whole is unavailable; the cause is not a single file."""


class DurableFileSystemStorage(FileSystemStorage):
    """Files in a folder, written atomically.

    A file is written under a temporary name in the same folder, flushed to disk and renamed. Names
    follow from content, so writing a name again writes the same bytes.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return the name unchanged: the same name means the same content."""
        return name

    def _save(self, name: str, content: "File[Any]") -> str:
        path = Path(self.path(name))
        self._make_folder(path.parent)
        descriptor, temporary = tempfile.mkstemp(prefix=".incoming-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as target:
                for chunk in content.chunks(_CHUNK):
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
                if self.file_permissions_mode is not None:
                    os.fchmod(target.fileno(), self.file_permissions_mode)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)
        return name

    def move(self, name: str, target: str) -> None:
        """Rename a file atomically, and set its time to the present."""
        source, path = Path(self.path(name)), Path(self.path(target))
        self._make_folder(path.parent)
        source.replace(path)
        os.utime(path)
        _flush_folder(path.parent)
        _flush_folder(source.parent)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and its parents so that they survive a power cut."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=self.directory_permissions_mode or 0o777, exist_ok=True)
        _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_verified(key: str, sha256: str) -> bytes:
    """Return the file stored under a key, verified against the SHA-256 recorded for it.

    Raises DamagedFileError if it differs or cannot be read completely, and
    FileNotFoundError if there is no such file.
    """
    try:
        with default_storage.open(key) as file:
            data = bytes(file.read())
    except OSError as error:
        if error.errno == errno.EIO:
            raise DamagedFileError(key) from error
        raise
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DamagedFileError(key)
    return data


def move(key: str, target: str) -> None:
    """Rename a stored file from `key` to `target` and set its time to the present.

    Raises FileNotFoundError if nothing is stored under `key`.
    """
    if isinstance(default_storage, DurableFileSystemStorage):
        default_storage.move(key, target)
        return
    # In a bucket a copy is complete or absent; after an interruption both files may exist.
    with default_storage.open(key) as file:
        default_storage.save(target, file)
    default_storage.delete(key)


def modified_at(key: str) -> datetime | None:
    """When the file under a key was stored; None if there is none."""
    return default_storage.get_modified_time(key) if default_storage.exists(key) else None


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """The folders and the files in a folder of the storage; none if it does not exist."""
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def is_storage_away() -> bool:
    """Whether the storage cannot be listed or is empty, as when its volume is not mounted."""
    try:
        folders, files = default_storage.listdir("")
    except Exception:  # S3 clients raise many kinds
        return True
    return not folders and not files


def storage_folder() -> Path | None:
    """The folder of the storage, which may not exist yet; None for a bucket."""
    if not isinstance(default_storage, FileSystemStorage):
        return None
    return Path(default_storage.location)


def folder_identity() -> tuple[int, int] | None:
    """Device and number of the storage's folder, which change when a volume is mounted on it.

    None for a bucket, and for a folder that does not exist yet.
    """
    folder = storage_folder()
    try:
        status = folder.stat() if folder is not None else None
    except FileNotFoundError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def takes_files() -> bool:
    """Whether files can be written; a bucket is not checked, because that may take long."""
    return _may(os.W_OK | os.X_OK)


def gives_files() -> bool:
    """Whether files can be read; a bucket is not checked."""
    return _may(os.R_OK | os.X_OK)


def _may(rights: int) -> bool:
    folder = storage_folder()
    return folder is None or os.access(_existing(folder), rights)


def free_bytes() -> int | None:
    """Free space on the disk of the storage; None for a bucket, which has no limit."""
    folder = storage_folder()
    if folder is None:
        return None
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def storage_from_url(url: str, setting: str = "STORAGE_URL") -> dict[str, Any]:
    """Turn the URL of a setting into an entry of Django's STORAGES.

    `file:///absolute/folder` keeps files in a folder that portal and workers share;
    `s3://bucket` or `s3://bucket/prefix` keeps them in an S3 bucket, whose address and keys boto3
    reads from AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID and its other variables.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return {
            "BACKEND": "webportal.storage.DurableFileSystemStorage",
            "OPTIONS": {
                "location": unquote(parts.path),
                "file_permissions_mode": 0o640,
                "directory_permissions_mode": 0o750,
            },
        }
    if parts.scheme == "s3" and parts.netloc:
        return {
            "BACKEND": "webportal.storage.bucket.BucketStorage",
            "OPTIONS": {
                "bucket_name": parts.netloc,
                "location": unquote(parts.path).strip("/"),
                # Names follow from content, so writing a name again writes the same bytes.
                "file_overwrite": True,
            },
        }
    raise ImproperlyConfigured(
        f"{setting} is {url!r}; it must look like file:///absolute/folder or s3://bucket/prefix."
    )
