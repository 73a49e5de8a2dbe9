"""Moving stored files that no record names to the trash.

A process that is killed between storing bytes and committing the records leaves such files. So does
a database that is restored from a backup: files stored since then are the only copies. Files
therefore stay in the trash for STORAGE_TRASH_DAYS; none is moved while the database looks older
than the storage, or if too many would be moved at once; and files that a record names again are
put back.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append
from webportal.records.models import Radiograph
from webportal.storage import modified_at, trash
from webportal.storage.locks import lock_removing, may_remove_for_good
from webportal.upkeep import pauses
from webportal.upkeep.models import PauseReason
from webportal.upkeep.slices import keys_in_trash, keys_of, referenced

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=1)
#: What a killed process leaves at most: a file as received, and as DICOM.
ALWAYS_ALLOWED = 2


def remove_unreferenced(number: int) -> int:
    """Move the files of slice `number` that no record names to the trash; return how many.

    Files younger than a day stay. Files that have been in the trash long enough are deleted.
    """
    put_back(number)
    pauses.watch_database()
    if pauses.open_pauses().exists():
        return 0
    keys = unreferenced(number)
    if _exceed_daily_limit(keys):
        pauses.pause(PauseReason.TOO_MANY, len(keys))
        return 0
    removed = sum(_remove(key) for key in keys)
    if removed:
        logger.warning("Moved %d files that no record names to the trash", removed)
    _empty_trash(number)
    return removed


def unreferenced(number: int) -> list[str]:
    """The files of a slice that no record names and that are older than a day."""
    keys = keys_of(number)
    return [key for key in sorted(set(keys) - referenced(keys)) if _is_older(key, KEPT_FOR)]


def put_back(number: int) -> int:
    """Restore files from the trash that a record names again; return how many."""
    back = sum(_put_back(key) for key in sorted(referenced(keys_in_trash(number))))
    if back:
        logger.warning("Put %d files back from the trash: records name them again", back)
    return back


def _exceed_daily_limit(keys: list[str]) -> bool:
    if not keys or pauses.is_unlimited():
        return False
    lately = AuditEntry.objects.filter(
        action=Action.FILES_REMOVED, at__gt=timezone.now() - timedelta(days=1)
    )
    share = int(settings.STORAGE_REMOVAL_SHARE * Radiograph.objects.count())
    allowed: int = max(ALWAYS_ALLOWED, min(settings.STORAGE_REMOVAL_FILES, share))
    return lately.count() + len(keys) > allowed


@transaction.atomic
def _remove(key: str) -> bool:
    lock_removing()
    # Somebody may have uploaded the same content meanwhile, and found it already stored.
    if referenced([key]):
        return False
    append(Event(Action.FILES_REMOVED, "file", detail={"key": key}))
    trash.discard(key)
    return True


@transaction.atomic
def _put_back(key: str) -> bool:
    lock_removing()
    if not referenced([key]) or not trash.take_back(key):
        return False
    append(Event(Action.FILE_PUT_BACK, "file", detail={"key": key}))
    return True


def _empty_trash(number: int) -> None:
    period = timedelta(days=settings.STORAGE_TRASH_DAYS)
    for key in keys_in_trash(number):
        if _is_older(trash.key_in_trash(key), period):
            _remove_for_good(key)


@transaction.atomic
def _remove_for_good(key: str) -> None:
    # A backup copies what its snapshot of the database names, also out of the trash.
    if not may_remove_for_good():
        return
    lock_removing()
    # If a record names it again it is needed, unless it has been stored again, too.
    if referenced([key]) and not default_storage.exists(key):
        return
    append(Event(Action.TRASH_EMPTIED, "file", detail={"key": key}))
    default_storage.delete(trash.key_in_trash(key))


def _is_older(key: str, age: timedelta) -> bool:
    at = modified_at(key)
    return at is not None and at < timezone.now() - age
