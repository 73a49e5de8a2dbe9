"""A patient's files: finds them by records and DICOM headers, and deletes them permanently."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction

from webportal.inference import inputs
from webportal.intake.models import UploadItem, Verdict
from webportal.network import inbox
from webportal.network.models import InboxState, ReceivedInstance
from webportal.records.models import Radiograph
from webportal.records.storage_identity import is_our_storage
from webportal.storage import (
    folder_identity,
    is_storage_away,
    list_folder,
    quarantine,
    storage_folder,
    trash,
)
from webportal.storage.locks import lock_inbox_file, lock_removing, may_remove_for_good
from webportal.upkeep.slices import SLICES, keys_in_trash, referenced

logger = logging.getLogger(__name__)

#: Prefix that marks files of the DICOM inbox among file keys.
INBOX = "inbox:"


class AwayError(OSError):
    """A volume is not mounted. `code` is one of WAITING in `messages`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def refuse_if_away() -> None:
    """Raise AwayError if storage or inbox lack the files that are on record."""
    if not is_our_storage():
        raise AwayError("storage")
    kept = ReceivedInstance.objects.filter(has_file=True, state__in=inbox.KEPT)
    folder: Path = settings.DICOM_INBOX
    if kept.exists() and not (folder.is_dir() and any(folder.iterdir())):
        raise AwayError("inbox")


def refuse_if_storage_away() -> None:
    """Raise AwayError if a storage that has had files is empty, even if nothing is on record.

    The folders of removed files remain in a mounted volume; an empty mount point has none.
    """
    if storage_folder() is not None and is_storage_away():
        raise AwayError("storage")


def of_items(items: Iterable[UploadItem]) -> Iterator[str]:
    """Keys of held files."""
    return (item.held_key for item in items if item.held_key)


def of_images(images: Iterable[Radiograph]) -> Iterator[str]:
    """Keys of images: the originals and the DICOM files."""
    for image in images:
        yield image.original_key
        yield image.dicom_key


def held(unreadable: set[str]) -> Iterator[tuple[UploadItem, bytes]]:
    """Files held for a decision, with their content; adds keys to `unreadable`."""
    for item in UploadItem.objects.filter(verdict=Verdict.HELD).select_related("batch"):
        data = _stored(item.held_key, unreadable)
        if data is not None:
            yield item, data


def in_inbox(unreadable: set[str]) -> Iterator[tuple[ReceivedInstance, bytes]]:
    """Files in the DICOM inbox, with their content; adds keys to `unreadable`."""
    folder: Path = settings.DICOM_INBOX
    for row in ReceivedInstance.objects.filter(has_file=True):
        try:
            data = (folder / row.file_name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            _report(f"{INBOX}{row.file_name}", error, unreadable)
            continue
        yield row, data


def beside_inbox(unreadable: set[str]) -> Iterator[tuple[str, bytes]]:
    """Files in the folder of the DICOM inbox that no row names, such as copies made by hand.

    Yields keys with the content, and adds keys to `unreadable`. Skips files being written.
    """
    folder: Path = settings.DICOM_INBOX
    named = set(ReceivedInstance.objects.filter(has_file=True).values_list("sha256", flat=True))
    for path in sorted(folder.rglob("*")):
        is_written = path.name.startswith(inbox.UNFINISHED)
        if is_written or path.is_symlink() or not path.is_file():
            continue
        name = str(path.relative_to(folder))
        if name.endswith(".dcm") and name.removesuffix(".dcm") in named:
            continue
        try:
            name.encode()
            yield f"{INBOX}{name}", path.read_bytes()
        except FileNotFoundError:
            continue
        except UnicodeEncodeError:
            unreadable.add(f"{INBOX}{os.fsencode(name).decode(errors='backslashreplace')}")
        except OSError as error:
            _report(f"{INBOX}{name}", error, unreadable)


def without_record(unreadable: set[str]) -> Iterator[tuple[str, bytes]]:
    """Files in trash and quarantine: original keys, with content; adds keys to `unreadable`."""
    for number in range(SLICES):
        for key in keys_in_trash(number):
            data = _stored(trash.key_in_trash(key), unreadable)
            if data is not None:
                yield key, data
    for key in _below(quarantine.FOLDER):
        data = _stored(key, unreadable)
        if data is not None:
            yield key.removeprefix(f"{quarantine.FOLDER}/"), data


def _below(folder: str) -> Iterator[str]:
    folders, names = list_folder(folder)
    yield from (f"{folder}/{name}" for name in names)
    for each in folders:
        yield from _below(f"{folder}/{each}")


def _stored(key: str, unreadable: set[str]) -> bytes | None:
    try:
        with default_storage.open(key) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        _report(key, error, unreadable)
        return None


def _report(key: str, error: OSError, unreadable: set[str]) -> None:
    # A damaged sector must not block every erasure.
    unreadable.add(key)
    logger.error("An erasure could not read %s: %s", key, error.strerror)


@transaction.atomic
def remove(key: str) -> bool:
    """Delete a file wherever it is, unless a record refers to it; return False during a backup.

    A backup would not find a file that its snapshot refers to. Raises OSError if the storage is
    unreachable, and AwayError if a volume is not mounted, where no file would be found.
    """
    if not may_remove_for_good():
        return False
    if key.startswith(INBOX):
        _remove_from_inbox(key.removeprefix(INBOX))
        return True
    lock_removing()
    if referenced([key]):
        return True
    before = folder_identity()
    refuse_if_storage_away()
    for place in (key, trash.key_in_trash(key), f"{quarantine.FOLDER}/{key}"):
        default_storage.delete(place)
    inputs.discard(Path(key).stem)
    # The volume may have been unmounted during the search.
    refuse_if_storage_away()
    if folder_identity() != before:
        raise AwayError("storage")
    return True


def _remove_from_inbox(name: str) -> None:
    folder: Path = settings.DICOM_INBOX
    if not folder.is_dir():
        raise AwayError("inbox")
    sha256 = name.removesuffix(".dcm")
    # The same bytes, if received again from here on, are written after the file is gone.
    lock_inbox_file(sha256)
    rows = ReceivedInstance.objects.filter(sha256=sha256)
    # A receiver started in the meantime has recorded it as a found file.
    rows.filter(state=InboxState.FOUND).delete()
    # The file was received again meanwhile and belongs to another record.
    if not rows.exists():
        (folder / name).unlink(missing_ok=True)
