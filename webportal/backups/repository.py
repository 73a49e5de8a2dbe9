"""The repository: a folder or a bucket of encrypted objects, each written once and completely."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from webportal.backups import encryption, manifest
from webportal.backups.errors import BackupError
from webportal.backups.manifest import Manifest, Stored
from webportal.backups.models import Backup, BackupState

_CHUNK = 1024**2


class _HashingReader:
    """Reads a stream while computing the SHA-256 of what has been read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read up to that many bytes."""
        data = self._source.read(size)
        self._hash.update(data)
        return data

    @property
    def sha256(self) -> str:
        """The SHA-256 of what has been read so far."""
        return self._hash.hexdigest()


def is_configured() -> bool:
    """Whether a repository is configured."""
    return bool(settings.BACKUP_REPOSITORY)


def storage() -> Storage:
    """The repository; raises BackupError if none is configured, or its folder does not exist."""
    if not is_configured():
        raise BackupError(
            "settings",
            "BACKUP_REPOSITORY is not set: file:///folder or s3://bucket/prefix.",
        )
    found = storages["backups"]
    # Creating the folder would hide that a disk is not mounted.
    if isinstance(found, FileSystemStorage) and not Path(found.path("")).is_dir():
        raise BackupError(
            "repository_away",
            f"The folder {found.path('')} of BACKUP_REPOSITORY does not exist. Mount its disk, or"
            " make the folder.",
        )
    return found


def refuse_if_away(**given: object) -> None:
    """Raise BackupError if the repository has none of its backups, as on an unmounted disk."""
    complete = Backup.objects.filter(state__in=[BackupState.COMPLETE, BackupState.INCOMPLETE])
    if not names() and complete.exists():
        raise BackupError(
            "repository_away",
            "BACKUP_REPOSITORY has none of the backups that were made. Mount its disk; if it is a"
            " new one, make a backup.",
        )


def names() -> list[str]:
    """The names of the backups, oldest first."""
    try:
        files = storage().listdir("backups")[1]
    except FileNotFoundError:
        return []
    suffix = manifest.manifest_name("").removeprefix("backups/")
    return sorted(file.removesuffix(suffix) for file in files if file.endswith(suffix))


def read_manifest(backup: str) -> Manifest:
    """The manifest of a backup; raises BackupError if it is missing or not genuine."""
    try:
        with storage().open(manifest.manifest_name(backup)) as file:
            return manifest.read(file.read())
    except FileNotFoundError:
        raise BackupError(
            "no_backup",
            f"There is no backup {backup} in the repository; ‘manage.py backup --list’ lists them.",
        ) from None


def write_manifest(written: Manifest) -> None:
    """Write the manifest, which completes the backup."""
    storage().save(manifest.manifest_name(written.name), ContentFile(manifest.write(written)))


def put(name: str, source: IO[bytes], check: Callable[[], None] = lambda: None) -> Stored:
    """Encrypt a stream into an object.

    `check` is called once the stream has been read; if it raises, no object is created.
    """
    with tempfile.TemporaryFile() as encrypted:
        reader = _HashingReader(source)
        encryption.encrypt(reader, encrypted)
        check()
        encrypted.seek(0)
        object_sha256 = hashlib.file_digest(encrypted, "sha256").hexdigest()
        stored = Stored(reader.sha256, object_sha256, encrypted.tell())
        storage().save(name, File(encrypted))
    return stored


def size(name: str) -> int | None:
    """The size of an object; None if it does not exist."""
    try:
        return storage().size(name)
    except FileNotFoundError:
        return None


def modified(name: str) -> datetime:
    """When an object was written."""
    return storage().get_modified_time(name)


def is_intact(name: str, stored: Stored) -> bool:
    """Whether an object has the SHA-256 it was written with; needs no key."""
    try:
        with storage().open(name) as file:
            return _object_sha256(file) == stored.object_sha256
    except FileNotFoundError:
        return False


def known(name: str, sha256: str) -> Stored | None:
    """Describe an object that has no manifest, as after an interrupted backup; None if missing."""
    object_bytes = size(name)
    if object_bytes is None:
        return None
    with storage().open(name) as file:
        return Stored(sha256, _object_sha256(file), object_bytes)


@contextmanager
def opened(name: str, stored: Stored) -> Iterator[IO[bytes]]:
    """Yield the decrypted content of an object as an unnamed file.

    Raises BackupError if it is missing, cannot be decrypted, or differs from what was backed up.
    """
    with tempfile.TemporaryFile() as content:
        try:
            with storage().open(name) as file:
                encryption.decrypt(file, content)
        except FileNotFoundError:
            raise BackupError("object_missing", f"{name} is not in the repository.") from None
        content.seek(0)
        if hashlib.file_digest(content, "sha256").hexdigest() != stored.sha256:
            raise BackupError("object_damaged", f"{name} is not what was backed up.")
        content.seek(0)
        yield content


def delete(name: str) -> None:
    """Delete an object."""
    storage().delete(name)


def _object_sha256(file: "File[bytes]") -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
