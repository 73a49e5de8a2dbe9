"""Checking stored files: each is read and compared with its recorded SHA-256.

A round over all images proceeds in small steps. Each continues where the last one ended, whether it
is made by the scheduler, slowly, or by `manage.py check_storage`.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.faults import analyse_again
from webportal.intake.models import UploadItem, Verdict
from webportal.records import file_faults
from webportal.records.choices import FaultKind
from webportal.records.models import FileFault, Radiograph
from webportal.storage import DamagedFileError, read_verified
from webportal.upkeep.models import StorageCheck

_Row = TypeVar("_Row", Radiograph, UploadItem)

_AT_ONCE = 100
# The first word of a position.
_IMAGES, _HELD = "image", "held"
_FIELDS = ("original_key", "original_sha256", "dicom_key", "dicom_sha256")


@dataclass(frozen=True)
class _Owner:
    """An image, or a held file, with its stored files: SHA-256 by key."""

    position: str
    files: dict[str, str]
    radiograph_id: uuid.UUID | None = None
    held_item: uuid.UUID | None = None


@dataclass
class _Step:
    """The findings of a step, before they are recorded."""

    position: str
    images: int = 0
    bytes: int = 0
    intact: list[str] = field(default_factory=list)
    faults: list[tuple[str, FaultKind, uuid.UUID | None]] = field(default_factory=list)


def due_round() -> StorageCheck | None:
    """The round to continue now: the open one, or a new one if it is due."""
    days = settings.STORAGE_CHECK_DAYS
    if days <= 0:
        return None
    last = StorageCheck.objects.first()
    if last is not None and last.finished_at is None:
        return last
    if last is not None and last.started_at > timezone.now() - timedelta(days=days):
        return None
    return begin()


def begin() -> StorageCheck:
    """Return the open round, or start one."""
    now = timezone.now()
    try:
        with transaction.atomic():
            check, _ = StorageCheck.objects.get_or_create(
                finished_at=None,
                defaults={
                    "started_at": now,
                    "last_step_at": now,
                    "images": Radiograph.objects.count() + _held().count(),
                },
            )
    except IntegrityError:  # somebody else has just started it
        check = StorageCheck.objects.get(finished_at=None)
    return check


def check_some(check: StorageCheck, *, most_bytes: int, most_seconds: float) -> StorageCheck:
    """Check the next files, up to about `most_bytes` and `most_seconds`; return the round.

    Raises StorageAwayError if the storage as a whole cannot be read.
    """
    until = time.monotonic() + most_seconds
    step = _Step(check.position)
    is_at_end = True
    for owner in _after(check.position):
        if step.images and (step.bytes >= most_bytes or time.monotonic() > until):
            is_at_end = False
            break
        _check(owner, step)
    _record(check, step, is_at_end=is_at_end)
    check.refresh_from_db()
    return check


def _after(position: str) -> Iterator[_Owner]:
    """The files after a position: images ordered by id, then held files ordered by id.

    Nothing is checked twice; rows added before the position are left to the next round.
    """
    kind, _, last = position.rpartition(" ")
    if not position or kind == _IMAGES:
        for radiograph in _by_id(Radiograph.objects.only(*_FIELDS), last):
            yield _Owner(f"{_IMAGES} {radiograph.pk}", _files_of(radiograph), radiograph.pk)
        last = ""
    for item in _by_id(_held(), last):
        files = {item.held_key: item.sha256}
        yield _Owner(f"{_HELD} {item.pk}", files, held_item=item.pk)


def _by_id(rows: QuerySet[_Row], last: str) -> Iterator[_Row]:
    """All rows after the given one, a hundred per query."""
    rows = rows.order_by("pk")
    while True:
        some = list((rows.filter(pk__gt=last) if last else rows)[:_AT_ONCE])
        yield from some
        if len(some) < _AT_ONCE:
            return
        last = str(some[-1].pk)


def _held() -> QuerySet[UploadItem]:
    return UploadItem.objects.filter(verdict=Verdict.HELD)


def _files_of(radiograph: Radiograph) -> dict[str, str]:
    return {
        radiograph.original_key: radiograph.original_sha256,
        radiograph.dicom_key: radiograph.dicom_sha256,
    }


def _check(owner: _Owner, step: _Step) -> None:
    for key, sha256 in owner.files.items():
        try:
            step.bytes += len(read_verified(key, sha256))
        except (FileNotFoundError, DamagedFileError):
            # A held file may have been decided on meanwhile, and be in the trash.
            if owner.held_item and not _held().filter(pk=owner.held_item).exists():
                continue
            fault = file_faults.fault_of(key, sha256)
            if fault is not None:
                step.faults.append((key, fault, owner.radiograph_id))
                continue
        step.intact.append(key)
    step.images += 1
    step.position = owner.position


def check_again(fault: FileFault, by: User) -> bool:
    """Check a faulty file again; return whether it is now as recorded, which ends the fault.

    If the model failed because of the file, the image is queued again.
    """
    sha256 = _recorded_sha256(fault)
    if sha256 is not None and file_faults.fault_of(fault.key, sha256) is not None:
        return False
    with transaction.atomic():
        if file_faults.close([fault.key]) and fault.radiograph is not None:
            radiograph = fault.radiograph
            analyse_again(radiograph, by)
            detail = {"key": fault.key, "fault": fault.kind}
            event = Event(
                Action.FILE_REPAIRED, "radiograph", radiograph.pk, radiograph.study_id, detail
            )
            append(event, by)
    return True


def _recorded_sha256(fault: FileFault) -> str | None:
    """The recorded SHA-256 of a file; None if no record names it any more."""
    if fault.radiograph is None:
        held = UploadItem.objects.filter(held_key=fault.key)
        return held.values_list("sha256", flat=True).first()
    return _files_of(fault.radiograph).get(fault.key)


@transaction.atomic
def _record(check: StorageCheck, step: _Step, *, is_at_end: bool) -> None:
    now = timezone.now()
    noted = StorageCheck.objects.filter(
        pk=check.pk, position=check.position, finished_at=None
    ).update(
        position=step.position,
        last_step_at=now,
        finished_at=now if is_at_end else None,
        checked_images=F("checked_images") + step.images,
        checked_bytes=F("checked_bytes") + step.bytes,
        faults=F("faults") + len(step.faults),
    )
    if not noted:  # another check of the same file was faster
        return
    file_faults.close(step.intact)
    for key, fault, radiograph_id in step.faults:
        file_faults.record(key, fault, radiograph_id)
