"""A patient's files: finds them by records and DICOM headers, and deletes them permanently."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction

from webportal.intake.models import UploadItem, Verdict
from webportal.network.models import InboxState, ReceivedInstance
from webportal.records.models import Radiograph
from webportal.storage import list_folder, quarantine, trash
from webportal.storage.locks import lock_removing, may_remove_for_good
from webportal.upkeep.slices import SLICES, keys_in_trash, referenced

#: Prefix that marks files of the DICOM inbox among file keys.
INBOX = "inbox:"


def of_items(items: Iterable[UploadItem]) -> Iterator[str]:
    """Keys of held files."""
    return (item.held_key for item in items if item.held_key)


def of_images(images: Iterable[Radiograph]) -> Iterator[str]:
    """Keys of images: the originals and the DICOM files."""
    for image in images:
        yield image.original_key
        yield image.dicom_key


def held() -> Iterator[tuple[UploadItem, bytes]]:
    """Files held for a decision, with their content."""
    for item in UploadItem.objects.filter(verdict=Verdict.HELD):
        data = _stored(item.held_key)
        if data is not None:
            yield item, data


def in_inbox() -> Iterator[tuple[ReceivedInstance, bytes]]:
    """Files in the DICOM inbox, with their content."""
    folder: Path = settings.DICOM_INBOX
    for row in ReceivedInstance.objects.filter(has_file=True):
        try:
            yield row, (folder / row.file_name).read_bytes()
        except FileNotFoundError:
            continue


def without_record() -> Iterator[tuple[str, bytes]]:
    """Files in trash and quarantine: original keys, with their content."""
    for number in range(SLICES):
        for key in keys_in_trash(number):
            data = _stored(trash.key_in_trash(key))
            if data is not None:
                yield key, data
    for key in _below(quarantine.FOLDER):
        data = _stored(key)
        if data is not None:
            yield key.removeprefix(f"{quarantine.FOLDER}/"), data


def _below(folder: str) -> Iterator[str]:
    folders, names = list_folder(folder)
    yield from (f"{folder}/{name}" for name in names)
    for each in folders:
        yield from _below(f"{folder}/{each}")


def _stored(key: str) -> bytes | None:
    try:
        with default_storage.open(key) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


@transaction.atomic
def remove(key: str) -> bool:
    """Delete a file wherever it is, unless a record refers to it; return False during a backup.

    A backup would fail to find a file that its snapshot refers to. Raises OSError if the storage is
    unreachable.
    """
    if not may_remove_for_good():
        return False
    if key.startswith(INBOX):
        name = key.removeprefix(INBOX)
        rows = ReceivedInstance.objects.filter(sha256=name.removesuffix(".dcm"))
        # A receiver started in the meantime has recorded it as a found file.
        rows.filter(state=InboxState.FOUND).delete()
        # Received again since, it belongs to another record.
        if not rows.exists():
            (settings.DICOM_INBOX / name).unlink(missing_ok=True)
        return True
    lock_removing()
    if referenced([key]):
        return True
    for place in (key, trash.key_in_trash(key), f"{quarantine.FOLDER}/{key}"):
        default_storage.delete(place)
    return True
