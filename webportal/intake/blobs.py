"""Content-addressed storage of files: a file is stored completely or not at all."""

import errno
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error, connection

from webportal.intake.errors import StorageFullError, StorageNotOursError, StorageReadOnlyError
from webportal.records.storage_identity import is_our_storage
from webportal.storage import folder_identity, free_bytes, storage_folder, takes_files

Put = Callable[[str, bytes], None]
_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def original_key(sha256: str) -> str:
    """The storage key of a JPEG or PNG as received."""
    return f"originals/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def dicom_key(sha256: str) -> str:
    """The storage key of a DICOM file."""
    return f"dicom/{sha256[:2]}/{sha256[2:4]}/{sha256}.dcm"


def new_held_key() -> str:
    """Return a new storage key for a held file, which awaits a decision."""
    return f"held/{uuid.uuid4()}"


def check_space(size: int) -> None:
    """Raise StorageRefusesError if the storage is read-only, or `size` bytes leave it too full."""
    if not takes_files():
        raise StorageReadOnlyError()
    _check_identity()
    free = free_bytes()
    # A file may be stored twice: as received, and as DICOM.
    if free is not None and free - 2 * size < settings.UPLOAD_MIN_FREE_BYTES:
        raise StorageFullError()


def _check_identity() -> None:
    if not is_our_storage():
        raise StorageNotOursError()


def _remove_folders(keys: list[str]) -> None:
    """Remove the folders made for files, as far as they are empty.

    What is beneath a volume has to keep looking empty.
    """
    root = storage_folder()
    if root is None:
        return
    for key in keys:
        for folder in list(Path(key).parents)[:-1]:
            with suppress(OSError):
                (root / folder).rmdir()


def _has_locks() -> bool:
    """Whether the transaction goes on, so that what it has locked is still locked.

    PostgreSQL releases the locks of a transaction as soon as a statement of it fails.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


@contextmanager
def writing() -> Iterator[Put]:
    """Yield a function that stores bytes under a key; on an exception, all it stored is removed.

    The caller's transaction holds a lock on the content, so that nobody else relies on files that
    may be removed. Where it has lost the lock, they stay: without a record they are removed later.
    """
    written: list[str] = []
    ours: tuple[int, int] | None = None

    def put(key: str, data: bytes) -> None:
        nonlocal ours
        before = folder_identity()
        if before is None or before != ours:
            _check_identity()
            ours = before
        if not default_storage.exists(key):
            default_storage.save(key, ContentFile(data))
            written.append(key)
            # The volume may have gone while the file was written.
            if before is not None and folder_identity() != before:
                raise StorageNotOursError()

    try:
        yield put
    except BaseException as error:
        for key in written if _has_locks() else []:
            # Files that cannot be removed, on a read-only disk, have no record and are removed
            # later.
            with suppress(OSError):
                default_storage.delete(key)
        if isinstance(error, StorageNotOursError):
            _remove_folders(written)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StorageFullError() from None
        if isinstance(error, OSError) and error.errno in _READ_ONLY:
            raise StorageReadOnlyError() from None
        raise
