"""Stored files that are missing or damaged: detecting, recording and closing faults.

A file that differs from its recorded SHA-256 is never handed out (see
`webportal.storage.read_verified`), so a fault is reported to hospital IT; the file stays in place
until the correct bytes arrive.
"""

import logging
import uuid

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.choices import FaultKind
from webportal.records.models import FileFault, Radiograph
from webportal.storage import (
    DamagedFileError,
    StorageAwayError,
    is_storage_away,
    read_verified,
    trash,
)

logger = logging.getLogger(__name__)


def open_faults() -> QuerySet[FileFault]:
    """The stored files that are currently missing or damaged."""
    return FileFault.objects.filter(repaired_at=None)


def fault_of(key: str, sha256: str) -> FaultKind | None:
    """Check a stored file again and return its fault.

    A missing file that is in the trash is put back. Raises StorageAwayError if the storage as a
    whole cannot be read.
    """
    fault = None
    # Twice, so that a transient read error is not held against the file.
    for _ in range(2):
        try:
            read_verified(key, sha256)
        except FileNotFoundError:
            if is_storage_away():
                raise StorageAwayError from None
            fault = FaultKind.MISSING
            if trash.take_back(key):
                append(Event(Action.FILE_PUT_BACK, "file", detail={"key": key}))
        except DamagedFileError:
            fault = FaultKind.DAMAGED
        else:
            return None
    return fault


@transaction.atomic
def record(key: str, kind: FaultKind, radiograph_id: uuid.UUID | None = None) -> None:
    """Record a fault for hospital IT, once."""
    fault, is_new = FileFault.objects.get_or_create(
        key=key, repaired_at=None, defaults={"kind": kind, "radiograph_id": radiograph_id}
    )
    if not is_new:
        return
    logger.error("A stored file is %s (fault %s)", kind, fault.pk)
    study_id = None
    if radiograph_id is not None:
        study_id = Radiograph.objects.values_list("study", flat=True).get(pk=radiograph_id)
    detail = {"key": key, "fault": kind.value}
    append(Event(Action.FILE_DAMAGED, "radiograph", radiograph_id or "", study_id, detail))


def close(keys: list[str]) -> int:
    """Record that files are as recorded again; return how many were faulty before."""
    return open_faults().filter(key__in=keys).update(repaired_at=timezone.now())
