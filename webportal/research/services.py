"""Requests, removes and withdraws exports."""

import hashlib
import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import IO, Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.refusals import Conflict
from webportal.research.models import Removal, ResearchExport, ResearchExportState
from webportal.research.selection import selected
from webportal.storage import list_folder, modified_at

#: The head of the audit trail is locked while each study gets its entry.
MOST_STUDIES = 500
FOLDER = "research"
_OPEN = (ResearchExportState.WAITING, ResearchExportState.BUILDING)
_LEFT_BEHIND = timedelta(days=1)

logger = logging.getLogger(__name__)


class ResearchError(Conflict):
    """An export cannot be requested, opened or removed; the message says why."""


@transaction.atomic
def request(export: ResearchExport, by: User) -> ResearchExport:
    """Request an export, which the scheduler will have made.

    Raises ResearchError if no study matches, or too many, or another one is still being made.
    """
    # One at a time: a second request waits for this transaction to end.
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if ResearchExport.objects.filter(requested_by=by, state__in=_OPEN).exists():
        raise ResearchError(_("Wait until your last export is done."))
    number = selected(export, by).count()
    if not number:
        raise ResearchError(_("No study matches."))
    if number > MOST_STUDIES:
        raise ResearchError(
            _("{number} studies match. Choose fewer: at most {most} go into one export.").format(
                number=number, most=MOST_STUDIES
            )
        )
    export.requested_by, export.total = by, number
    export.save()
    asked = {
        "since": str(export.since or ""),
        "until": str(export.until or ""),
        "department": str(export.department_id or ""),
        "category": export.category,
        "signed_only": export.signed_only,
        "with_unstated": export.with_unstated,
    }
    detail = {"purpose": export.purpose, "filter": asked, "studies": number}
    append(Event(Action.RESEARCH_REQUESTED, "research_export", export.pk, detail=detail), by)
    return export


@transaction.atomic
def note_download(export: ResearchExport, by: User) -> list[UUID]:
    """Record a download; return the ids of the export's studies.

    Raises ResearchError if there is no file, or the person no longer sees all of the studies.
    """
    locked = ResearchExport.objects.select_for_update().get(pk=export.pk)
    _refuse_without_file(locked)
    studies = locked.studies.in_departments_of(by).order_by("study").values_list("study", flat=True)
    seen = list(studies)
    if len(seen) != locked.counts["studies"]:
        raise ResearchError(_("It has studies of departments that you no longer belong to."))
    detail = {"sha256": locked.sha256} if locked.sha256 else {}
    append(Event(Action.RESEARCH_DOWNLOADED, "research_export", locked.pk, detail=detail), by)
    return seen


def open_file(export: ResearchExport, by: User) -> tuple[IO[bytes], list[UUID]]:
    """Open the file of an export and record the download; also return the ids of its studies.

    Raises ResearchError as `note_download` does, or if the file is not in the storage.
    """
    _refuse_without_file(export)
    if not default_storage.exists(export.key):
        raise ResearchError(_("The file is not in the storage: request the export again."))
    # From a bucket it is fetched once, and the copy that was compared is the one that is sent.
    file = default_storage.open(export.key)
    try:
        _refuse_another(export, file)
        studies = note_download(export, by)
    except BaseException:
        file.close()
        raise
    return file, studies


def _refuse_without_file(export: ResearchExport) -> None:
    if export.state != ResearchExportState.READY:
        raise ResearchError(_("This export has no file any more."))


def _refuse_another(export: ResearchExport, file: Any) -> None:
    """Raise ResearchError if the file is not the one that was made.

    Of exports of an earlier release that is not known.
    """
    if not export.sha256:
        return
    found = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    if found != export.sha256:
        logger.error("The file of the research export %s is not the one that was made", export.pk)
        raise ResearchError(
            _("The file in the storage is not the one that was made. Tell hospital IT.")
        )


def file_name(export: ResearchExport) -> str:
    """The file name under which an export is downloaded."""
    return f"chestline-research-{export.pk}.zip"


def remove(export: ResearchExport, why: Removal, by: User | None) -> None:
    """Remove the file of an export, or give up an unfinished one."""
    with transaction.atomic():
        key = _close(export.pk, why, by)
    if key:
        default_storage.delete(key)


@transaction.atomic
def withdraw(studies: Iterable[UUID], by: User | None) -> list[str]:
    """Close every export with one of these studies, which are being erased; return the files."""
    found = ResearchExport.objects.filter(
        studies__study__in=list(studies), state=ResearchExportState.READY
    )
    keys = set(found.values_list("pk", flat=True))
    # Lock all before the first entry locks the trail's head, for which a process with one may wait.
    exports = ResearchExport.objects.filter(pk__in=keys).order_by("pk").select_for_update()
    files = [_close(each.pk, Removal.ERASURE, by) for each in list(exports)]
    return [file for file in files if file]


def _close(key: UUID, why: Removal, by: User | None) -> str:
    locked = ResearchExport.objects.select_for_update().get(pk=key)
    if locked.state not in (*_OPEN, ResearchExportState.READY):
        return ""
    file, locked.key = locked.key, ""
    locked.state, locked.removal = ResearchExportState.REMOVED, why
    locked.save(update_fields=["state", "removal", "key"])
    detail = {"why": str(why.value)}
    append(Event(Action.RESEARCH_REMOVED, "research_export", locked.pk, detail=detail), by)
    return file


def remove_expired() -> None:
    """Remove expired exports, and files that a killed process left behind."""
    now = timezone.now()
    for export in ResearchExport.objects.filter(
        state=ResearchExportState.READY, expires_at__lte=now
    ):
        remove(export, Removal.EXPIRED, None)
    keys = set(ResearchExport.objects.exclude(key="").values_list("key", flat=True))
    for name in list_folder(FOLDER)[1]:
        stored_at = modified_at(f"{FOLDER}/{name}")
        if f"{FOLDER}/{name}" not in keys and stored_at and stored_at < now - _LEFT_BEHIND:
            default_storage.delete(f"{FOLDER}/{name}")
