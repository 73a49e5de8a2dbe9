"""Content-addressed storage of files: a file is stored completely or not at all."""

import errno
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from webportal.intake.errors import StorageFullError, StorageReadOnlyError
from webportal.storage import free_bytes, takes_files

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
    free = free_bytes()
    # A file may be stored twice: as received, and as DICOM.
    if free is not None and free - 2 * size < settings.UPLOAD_MIN_FREE_BYTES:
        raise StorageFullError()


@contextmanager
def writing() -> Iterator[Put]:
    """Yield a function that stores bytes under a key; on an exception, all it stored is removed.

    The caller holds a lock on the content, so that nobody else relies on files that may be removed.
    """
    written: list[str] = []

    def put(key: str, data: bytes) -> None:
        if not default_storage.exists(key):
            default_storage.save(key, ContentFile(data))
            written.append(key)

    try:
        yield put
    except BaseException as error:
        for key in written:
            # Files that cannot be removed, on a read-only disk, have no record and are removed
            # later.
            with suppress(OSError):
                default_storage.delete(key)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise StorageFullError() from None
        if isinstance(error, OSError) and error.errno in _READ_ONLY:
            raise StorageReadOnlyError() from None
        raise
