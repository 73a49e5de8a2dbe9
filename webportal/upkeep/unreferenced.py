"""Removing stored files that no record names.

A process that is killed between storing bytes and committing the records leaves such files. The
storage is looked through in 256 slices, one a run, so that no run is long however much is stored.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake.models import UploadItem
from webportal.records.models import Radiograph
from webportal.storage.locks import lock_removing

KEPT_FOR = timedelta(days=1)
SLICES = 256
FOLDERS = ("originals", "dicom")
HELD_FOLDER = "held"


def remove_unreferenced(number: int) -> int:
    """Remove the files of slice `number` that no record names, older than a day; return how many.

    What was removed is in the audit trail as a count, because nothing else is known of it.
    """
    keys = list(_keys(f"{number % SLICES:02x}"))
    removed = sum(_remove(key) for key in sorted(set(keys) - _referenced(keys)))
    if removed:
        append(Event(Action.FILES_REMOVED, detail={"files": removed}))
    return removed


def _keys(prefix: str) -> Iterator[str]:
    """The keys of a slice: those whose content's hash, or whose random name, begins with it."""
    for folder in FOLDERS:
        for subfolder in _list(f"{folder}/{prefix}")[0]:
            path = f"{folder}/{prefix}/{subfolder}"
            yield from (f"{path}/{name}" for name in _list(path)[1])
    names = _list(HELD_FOLDER)[1]
    yield from (f"{HELD_FOLDER}/{name}" for name in names if name.startswith(prefix))


def _list(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _referenced(keys: list[str]) -> set[str]:
    """Those of the keys that a record names."""
    found: set[str] = set()
    for names, field in (
        (Radiograph.objects, "original_key"),
        (Radiograph.objects, "dicom_key"),
        (UploadItem.objects, "held_key"),
    ):
        found |= set(names.filter(**{f"{field}__in": keys}).values_list(field, flat=True))
    return found


@transaction.atomic
def _remove(key: str) -> bool:
    if _is_young(key):
        return False
    lock_removing()
    # Somebody may have sent the same content again meanwhile, and found it stored already.
    if _referenced([key]):
        return False
    default_storage.delete(key)
    return True


def _is_young(key: str) -> bool:
    try:
        return bool(default_storage.get_modified_time(key) > timezone.now() - KEPT_FOR)
    except FileNotFoundError:
        return True
