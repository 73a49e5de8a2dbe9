"""Receive: one upload for each file sent."""

import hashlib
import unicodedata
from collections.abc import Generator, Iterable, Iterator
from typing import IO

from django.conf import settings

from ml import images
from webportal.accounts.models import User
from webportal.intake import blobs
from webportal.intake.checks import archive
from webportal.intake.errors import RefusedError
from webportal.intake.models import UploadBatch
from webportal.intake.pipeline import turns
from webportal.intake.pipeline.upload import Upload

_MAX_NAME = 400
_DIRECTION_CHANGES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def uploads(
    batch: UploadBatch, files: Iterable[tuple[str, IO[bytes]]], by: User
) -> Generator[Upload, None, None]:
    """Yield each file, with its name, or each file of a ZIP.

    One refused without being read comes with its refusal. Raises StorageRefusesError if nothing can
    be stored, and ArchiveWaitsError if a ZIP has to wait.
    """
    for file_name, file in files:
        yield from _uploads_of(batch, file_name, file, by)


def _uploads_of(batch: UploadBatch, file_name: str, file: IO[bytes], by: User) -> Iterator[Upload]:
    name = _clean_name(file_name)
    size = file.seek(0, 2)
    kind = images.sniff_file(file)
    blobs.check_space(size)
    limit = settings.UPLOAD_MAX_ARCHIVE_BYTES if kind == "zip" else settings.UPLOAD_MAX_BYTES
    if size > limit:
        yield _unread(batch, name, file, by, too_large(limit))
    elif kind == "zip":
        with turns.unpacking(by):
            yield from _unpacked(batch, name, file, by)
    else:
        yield Upload.of(batch, name, file.read(), by)


def too_large(limit: int) -> RefusedError:
    """Return the refusal of a file of more than `limit` bytes."""
    return RefusedError("too_large", megabytes=limit // 1024**2)


def _clean_name(file_name: str) -> str:
    """Return a name that can be stored and shown; of an overlong path, the end is kept.

    Control characters are removed, as are those that change the writing direction, with which one
    name can be made to look like another. All other characters are kept, visible or not: they match
    a file to its line in a sheet.
    """
    kept = "".join(letter for letter in file_name if _may_stand_in_name(letter))
    return kept.replace("\\", "/").lstrip("/")[-_MAX_NAME:] or "unnamed"


def _may_stand_in_name(letter: str) -> bool:
    turns_direction = unicodedata.bidirectional(letter) in _DIRECTION_CHANGES
    return not turns_direction and unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp")


def _unread(
    batch: UploadBatch, name: str, file: IO[bytes], by: User, refusal: RefusedError
) -> Upload:
    size = file.seek(0, 2)
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1024**2):
        digest.update(chunk)
    return Upload(batch, name, by, digest.hexdigest(), size, refusal=refusal)


def _unpacked(batch: UploadBatch, archive_name: str, file: IO[bytes], by: User) -> Iterator[Upload]:
    try:
        entries = archive.entries(file, settings.UPLOAD_MAX_BYTES)
    except RefusedError as refusal:
        yield _unread(batch, archive_name, file, by, refusal)
        return
    clock = turns.Clock()
    for entry in entries:
        if (too_slow := clock.refusal()) is not None:
            yield _unread(batch, archive_name, file, by, too_slow)
            return
        name = _clean_name(f"{archive_name}/{entry.name}")
        upload = Upload.of(batch, name, entry.data, by, entry.refusal)
        if upload.refusal is None:
            blobs.check_space(upload.size)
        yield upload
