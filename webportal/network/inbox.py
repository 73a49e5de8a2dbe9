"""The inbox: instances are on disk and in the database before the sender receives success.

The file is written first, then the row: a process killed in between leaves a file without a row,
which was never acknowledged. Files are named by their SHA-256.
"""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from pydicom import FileDataset, dcmread

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.network.models import InboxState, Node, ReceivedInstance
from webportal.network.sop_classes import OTHERS
from webportal.records.identifiers import is_uid
from webportal.records.models import Study
from webportal.refusals import Conflict
from webportal.storage import DamagedFileError
from webportal.storage.locks import lock_inbox_file

#: The states in which the inbox keeps the file.
KEPT = (InboxState.FOUND, InboxState.WAITING, InboxState.REFUSED, InboxState.SET_ASIDE)
#: The beginning of the names of files that are being written.
UNFINISHED = ".incoming-"
#: The states in which a person may discard it.
DISCARDABLE = (InboxState.FOUND, InboxState.REFUSED, InboxState.SET_ASIDE)
#: How many are discarded with one click: each has an entry in the trail.
MOST_AT_ONCE = 1_000
#: How long a kept object may be without any image of its study before hospital IT is alerted.
LONGEST_ALONE = timedelta(days=30)
_CLEARED_AT_ONCE = 100
_NOT_SETTLED: dict[str, Any] = {
    "settled_at": None,
    "reason_code": "",
    "reason_params": {},
    "attempts": 0,
}


class InboxError(Conflict):
    """The action is not possible in the state of the instance."""


class InboxFullError(OSError):
    """The disk of the inbox has too little free space."""


@dataclass(frozen=True)
class Arrival:
    """A received instance; `data` is a DICOM file, `is_prior` whether we fetched it to compare."""

    node: Node
    address: str
    study_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    data: bytes
    is_prior: bool = False


def header_of(data: bytes) -> FileDataset:
    """Return the header with the study's UID. If it is not DICOM, pydicom may raise anything."""
    return dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=["StudyInstanceUID"])


def study_of(header: FileDataset) -> str:
    """Return the Study Instance UID, '' if there is none or it is not a UID."""
    study = str(header.get("StudyInstanceUID", "") or "")
    return study if is_uid(study) else ""


def folder() -> Path:
    """The folder of the inbox, created if missing."""
    path: Path = settings.DICOM_INBOX
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def check_space(size: int) -> None:
    """Raise InboxFullError unless UPLOAD_MIN_FREE_BYTES stay free after `size` bytes are stored."""
    # Twice, because inbox and storage both keep the bytes for a while.
    if shutil.disk_usage(folder()).free - 2 * size < settings.UPLOAD_MIN_FREE_BYTES:
        raise InboxFullError


def receive(arrival: Arrival) -> ReceivedInstance:
    """Keep an instance; once this returns, it survives a power failure.

    The same bytes sent again are the same row. Raises InboxFullError, OSError, and database errors;
    the sender must then send again.
    """
    check_space(len(arrival.data))
    sha256 = hashlib.sha256(arrival.data).hexdigest()
    now = timezone.now()
    came = {"node": arrival.node, "address": arrival.address, "received_at": now}
    state = first_state(arrival.sop_class_uid)
    # The row is locked, so that settling it does not remove the file meanwhile. If an erasure has
    # removed the row, there is none to lock: hence the lock of the file.
    with transaction.atomic():
        lock_inbox_file(sha256)
        row, created = ReceivedInstance.objects.select_for_update().get_or_create(
            sha256=sha256,
            defaults=came
            | {
                "study_instance_uid": arrival.study_instance_uid,
                "sop_instance_uid": arrival.sop_instance_uid,
                "sop_class_uid": arrival.sop_class_uid,
                "transfer_syntax_uid": arrival.transfer_syntax_uid,
                "size": len(arrival.data),
                "state": state,
                "is_prior": arrival.is_prior,
                "first_received_at": now,
            },
        )
        _write(row.file_name, arrival.data)
        if not created:
            again = (
                came
                | _NOT_SETTLED
                | {"state": state, "has_file": True, "times_received": F("times_received") + 1}
                # An image that was also sent unasked is to be read.
                | {"is_prior": row.is_prior and arrival.is_prior}
            )
            ReceivedInstance.objects.filter(pk=row.pk).update(**again)
    return row


def first_state(sop_class_uid: str) -> InboxState:
    """The state in which an instance starts once its sender is known."""
    return InboxState.SET_ASIDE if sop_class_uid in OTHERS else InboxState.WAITING


def read(row: ReceivedInstance) -> bytes:
    """Return the file of an instance. Raises FileNotFoundError and DamagedFileError."""
    data = (folder() / row.file_name).read_bytes()
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise DamagedFileError(row.file_name)
    return data


def kept_names() -> list[tuple[str, str]]:
    """File name and SHA-256 of every instance kept in the inbox."""
    kept = ReceivedInstance.objects.filter(has_file=True, state__in=KEPT).order_by("pk")
    return [(row.file_name, row.sha256) for row in kept]


def put_back(name: str, data: bytes) -> None:
    """Restore a file of the inbox from a backup."""
    _write(name, data)


def clear() -> None:
    """Remove the files that are in the storage by now, and those that a person has discarded."""
    while _clear_some():
        pass


@transaction.atomic
def _clear_some() -> bool:
    # Receiving the same bytes again locks the row, too.
    rows = list(
        ReceivedInstance.objects.select_for_update(skip_locked=True)
        .filter(has_file=True)
        .exclude(state__in=KEPT)[:_CLEARED_AT_ONCE]
    )
    for row in rows:
        (folder() / row.file_name).unlink(missing_ok=True)
    ReceivedInstance.objects.filter(pk__in=[row.pk for row in rows]).update(has_file=False)
    return len(rows) == _CLEARED_AT_ONCE


def _write(name: str, data: bytes) -> None:
    """Write a file completely, and flush it and its folder to disk."""
    place = folder()
    descriptor, temporary = tempfile.mkstemp(prefix=UNFINISHED, dir=place)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(place / name)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    flushed = os.open(place, os.O_RDONLY)
    try:
        os.fsync(flushed)
    finally:
        os.close(flushed)


def remove_unfinished() -> None:
    """Remove files left unfinished by a killed receiver; they were never acknowledged.

    Call it only while nothing is being received.
    """
    for file in folder().glob(f"{UNFINISHED}*"):
        file.unlink(missing_ok=True)


@transaction.atomic
def retry(row: ReceivedInstance, by: User) -> None:
    """Queue a refused instance for another attempt. Raises InboxError."""
    locked = ReceivedInstance.objects.select_for_update().get(pk=row.pk)
    if locked.state != InboxState.REFUSED:
        raise InboxError(_("Only a refused instance can be tried again."))
    fields = _NOT_SETTLED | {"state": InboxState.WAITING}
    ReceivedInstance.objects.filter(pk=row.pk).update(**fields)
    append(Event(Action.RECEIVED_RETRIED, "received_instance", row.pk), by)


@transaction.atomic
def discard(row: ReceivedInstance, by: User) -> None:
    """Permanently discard an instance refused, set aside or found. Raises InboxError."""
    locked = ReceivedInstance.objects.select_for_update().get(pk=row.pk)
    if locked.state not in DISCARDABLE:
        raise InboxError(_("Only what was refused, set aside or found can be discarded."))
    locked.state, locked.settled_at = InboxState.DISCARDED, timezone.now()
    locked.save(update_fields=["state", "settled_at"])
    append(Event(Action.RECEIVED_DISCARDED, "received_instance", row.pk), by)


def kept_alone() -> QuerySet[ReceivedInstance]:
    """The kept objects of studies of which no image has come within LONGEST_ALONE."""
    studies = Study.objects.filter(study_instance_uid=OuterRef("study_instance_uid"))
    kept = ReceivedInstance.objects.filter(
        state=InboxState.SET_ASIDE, received_at__lt=timezone.now() - LONGEST_ALONE
    )
    return kept.filter(~Exists(studies))


@transaction.atomic
def discard_kept(by: User, *, only_alone: bool = False) -> int:
    """Permanently discard objects that are set aside: the oldest, at most MOST_AT_ONCE.

    `only_alone` leaves those of studies that have come. Returns their number. Raises InboxError if
    there is none.
    """
    chosen = kept_alone() if only_alone else ReceivedInstance.objects.all()
    kept = chosen.select_for_update(of=("self",)).filter(state=InboxState.SET_ASIDE)
    ids = list(kept.order_by("received_at", "pk").values_list("pk", flat=True)[:MOST_AT_ONCE])
    if not ids:
        raise InboxError(_("There is nothing left to discard."))
    settled = {"state": InboxState.DISCARDED, "settled_at": timezone.now()}
    ReceivedInstance.objects.filter(pk__in=ids).update(**settled)
    append_all([Event(Action.RECEIVED_DISCARDED, "received_instance", each) for each in ids], by)
    return len(ids)
