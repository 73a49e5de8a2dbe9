"""The files of a person: found by records and by headers, and removed for good."""

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

#: What stands before the name of a file in the DICOM inbox, among the keys of files.
INBOX = "inbox:"


def of_items(items: Iterable[UploadItem]) -> Iterator[str]:
    """The keys of held files."""
    return (item.held_key for item in items if item.held_key)


def of_images(images: Iterable[Radiograph]) -> Iterator[str]:
    """The keys of images, as they came and as DICOM."""
    for image in images:
        yield image.original_key
        yield image.dicom_key


def held() -> Iterator[tuple[UploadItem, bytes]]:
    """The files that wait for a decision, with their bytes."""
    for item in UploadItem.objects.filter(verdict=Verdict.HELD):
        data = _stored(item.held_key)
        if data is not None:
            yield item, data


def in_inbox() -> Iterator[tuple[ReceivedInstance, bytes]]:
    """The files that the DICOM inbox keeps, with their bytes."""
    folder: Path = settings.DICOM_INBOX
    for row in ReceivedInstance.objects.filter(has_file=True):
        try:
            yield row, (folder / row.file_name).read_bytes()
        except FileNotFoundError:
            continue


def without_record() -> Iterator[tuple[str, bytes]]:
    """The original keys of files in the trash and the quarantine, with their bytes."""
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
    """Remove a file wherever it is, unless a record names it; return False during a backup.

    A backup copies what its snapshot names, and would miss the file. Raises OSError where the
    storage cannot be reached.
    """
    if not may_remove_for_good():
        return False
    if key.startswith(INBOX):
        name = key.removeprefix(INBOX)
        rows = ReceivedInstance.objects.filter(sha256=name.removesuffix(".dcm"))
        # A receiver that started meanwhile has recorded it as a file without a record.
        rows.filter(state=InboxState.FOUND).delete()
        # Received again since, it is another record's.
        if not rows.exists():
            (settings.DICOM_INBOX / name).unlink(missing_ok=True)
        return True
    lock_removing()
    if referenced([key]):
        return True
    for place in (key, trash.key_in_trash(key), f"{quarantine.FOLDER}/{key}"):
        default_storage.delete(place)
    return True
