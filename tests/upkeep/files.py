"""Stored files for the tests of the upkeep."""

import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.intake.conftest import stored_files
from webportal.intake import blobs
from webportal.upkeep import database_mark
from webportal.upkeep.slices import SLICES
from webportal.upkeep.unreferenced import remove_unreferenced


def age(folder: Path, by: timedelta = timedelta(days=2)) -> None:
    """Make every stored file older."""
    for path in folder.rglob("*"):
        then = path.stat().st_mtime - by.total_seconds()
        os.utime(path, (then, then))


def remove_all() -> int:
    """Let the scheduler look at the whole storage."""
    return sum(remove_unreferenced(number) for number in range(SLICES))


def leave_behind(number: int) -> str:
    """Store a file that no record names, as a process does that is killed; return its key."""
    data = f"left behind {number} at {time.time()}".encode()
    key = blobs.dicom_key(hashlib.sha256(data).hexdigest())
    return default_storage.save(key, ContentFile(data))


def kept_files(folder: Path) -> list[str]:
    """Every file in the storage but the mark of the database."""
    return [name for name in stored_files(folder) if name != database_mark.KEY]
