"""Taking files in: an upload batch, and the verdict on each file sent to it."""

import hashlib
import logging
import unicodedata
from typing import IO

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from ml import images
from ml.images import ImageError
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks import archive, image_file
from webportal.intake.errors import RefusedError, StorageFullError, internal_error
from webportal.intake.models import IdentityMode, UploadBatch, UploadItem
from webportal.intake.pipeline import identify, store
from webportal.intake.pipeline.store import Upload
from webportal.intake.reasons import TOO_LARGE
from webportal.intake.storage import blobs
from webportal.records.choices import Priority

logger = logging.getLogger(__name__)

_SNIFFED_BYTES = 132
_MAX_NAME = 400
_DIRECTION_CHANGES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@transaction.atomic
def create_batch(
    by: User,
    *,
    name: str = "",
    priority: int = Priority.ROUTINE,
    identity_mode: str = IdentityMode.TEMPORARY,
    records: dict[str, CaseRecord] | None = None,
) -> UploadBatch:
    """Open a batch. `records`: `{cases.FORM_KEY: ...}` for a form, one per file for a sheet."""
    batch = UploadBatch.objects.create(
        created_by=by,
        name=name,
        priority=priority,
        identity_mode=identity_mode,
        case_records={key: record.as_json() for key, record in (records or {}).items()},
    )
    append(Event(Action.BATCH_CREATED, "batch", batch.pk), by)
    return batch


def announce(batch: UploadBatch, files: int) -> None:
    """Note that the sender has so many files in all for the batch."""
    UploadBatch.objects.filter(pk=batch.pk, expected_files__lt=files).update(expected_files=files)


def receive_file(batch: UploadBatch, file_name: str, file: IO[bytes], by: User) -> list[UploadItem]:
    """Take one file in and return the verdict: one item, or one for each file of a ZIP.

    Sending a file again returns the same verdict and creates nothing; only a refused file is looked
    at anew, and a ZIP whose connection broke continues where it stopped. Raises StorageFullError
    where there is no space; nothing of the file is kept then.
    """
    name = _clean_name(file_name)
    size = file.seek(0, 2)
    file.seek(0)
    kind = images.sniff(file.read(_SNIFFED_BYTES))
    blobs.check_space(size)
    limit = settings.UPLOAD_MAX_ARCHIVE_BYTES if kind == "zip" else settings.UPLOAD_MAX_BYTES
    if size > limit:
        return [store.refuse(_unread(batch, name, file, size, by), too_large(limit))]
    if kind == "zip":
        return _receive_archive(batch, name, file, by)
    file.seek(0)
    return [_receive_image(Upload.of(batch, name, file.read(), by))]


def too_large(limit: int) -> RefusedError:
    """Return the refusal of a file of more than `limit` bytes."""
    return RefusedError("too_large", TOO_LARGE.format(megabytes=limit // 1024**2))


def _clean_name(file_name: str) -> str:
    """Return a name that can be stored and shown; of a path too long the end counts.

    Control characters go, and those that turn the direction of writing, by which one name can be
    made to look like another. All other letters stay, whether or not they can be seen: by them a
    file finds its line in a sheet.
    """
    kept = "".join(letter for letter in file_name if _may_stand_in_name(letter))
    return kept.replace("\\", "/").lstrip("/")[-_MAX_NAME:] or "unnamed"


def _may_stand_in_name(letter: str) -> bool:
    turns_direction = unicodedata.bidirectional(letter) in _DIRECTION_CHANGES
    return not turns_direction and unicodedata.category(letter) not in ("Cc", "Cs", "Zl", "Zp")


def _unread(batch: UploadBatch, name: str, file: IO[bytes], size: int, by: User) -> Upload:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(1024**2):
        digest.update(chunk)
    return Upload(batch, name, by, digest.hexdigest(), size)


def _receive_archive(
    batch: UploadBatch, archive_name: str, file: IO[bytes], by: User
) -> list[UploadItem]:
    try:
        entries = archive.entries(file, settings.UPLOAD_MAX_BYTES)
    except RefusedError as reason:
        size = file.seek(0, 2)
        return [store.refuse(_unread(batch, archive_name, file, size, by), reason)]
    items = []
    for entry in entries:
        name = _clean_name(f"{archive_name}/{entry.name}")
        upload = Upload.of(batch, name, entry.data, by)
        if entry.refusal is not None:
            items.append(store.refuse(upload, entry.refusal))
            continue
        blobs.check_space(upload.size)
        items.append(_receive_image(upload))
    return items


def _receive_image(upload: Upload) -> UploadItem:
    """Give one file its verdict. A fault of ours is a verdict too, so that it stops no other."""
    try:
        return store.settled(upload) or _take_in(upload)
    except (ImageError, RefusedError) as reason:
        return store.refuse(upload, reason)
    except (InterfaceError, OperationalError, OSError, StorageFullError):
        raise  # the same for every file, and over when it is sent again
    except Exception as error:
        # What the database refuses of this file's values, too; nothing of it is stored then.
        # Only the kind of error: its text may quote the file, and so a patient.
        logger.error("Taking in a file failed with %s", type(error).__name__)
        return store.refuse(upload, internal_error())


def _take_in(upload: Upload) -> UploadItem:
    record = identify.record_for(upload.batch, upload.file_name)
    # What is stored already was checked then, and is not decoded again.
    item = store.duplicate(upload, record)
    if item is not None:
        return item
    header = identify.header_for(upload.batch, record, upload.sha256)
    if header is None and images.sniff(upload.data) in ("jpeg", "png"):
        raise identify.not_in_sheet()
    checked = image_file.check_apart(upload.data, header, upload.sha256)
    return store.accept(upload, record, checked)
