"""Making exports, in a process of its own that the scheduler starts.

An export is always made from the beginning: its pseudonyms exist only in memory, so an interrupted
one cannot be continued.
"""

import hashlib
import logging
import tempfile
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from webportal.accounts.models import Role
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.background import Background
from webportal.records.models import Study
from webportal.research import archive, services
from webportal.research.archive import ArchiveContents
from webportal.research.models import ExportedStudy, ResearchExport, ResearchExportState
from webportal.research.selection import selected
from webportal.storage import free_bytes

logger = logging.getLogger(__name__)

#: After so long without a sign of life, a process is considered dead.
SILENT = timedelta(minutes=10)
MOST_ATTEMPTS = 3
_process = Background()


class AbandonedError(Exception):
    """The export was removed meanwhile, or another process is making it."""


class ErasedError(Exception):
    """A study of the export was erased while it was being made."""


class FailedError(Exception):
    """The export cannot be made; `code` is one of FAILURES."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def start_if_due() -> bool:
    """Start the process if an export waits and none runs."""
    if _process.is_running():
        return False
    _take_back_silent()
    if not ResearchExport.objects.filter(state=ResearchExportState.WAITING).exists():
        return False
    _process.start("make_research_exports")
    return True


def _take_back_silent() -> None:
    silent = ResearchExport.objects.filter(
        state=ResearchExportState.BUILDING, seen_at__lt=timezone.now() - SILENT
    )
    if silent.update(state=ResearchExportState.WAITING):
        logger.warning("A research export ended before it was done; once more")


def make_waiting() -> int:
    """Make the exports that wait, oldest first; return how many were taken up."""
    taken = 0
    while (export := _claim()) is not None:
        taken += 1
        try:
            _make(export)
        except AbandonedError:
            logger.warning("A research export was given up meanwhile")
        except ErasedError:
            _own(export).update(state=ResearchExportState.WAITING)
        except FailedError as error:
            _fail(export, error.code)
        except OSError:
            logger.exception("A research export could not be stored")
            _fail(export, "storage")
        except Exception:
            logger.exception("A research export failed")
            _fail(export, "internal")
    return taken


@transaction.atomic
def _claim() -> ResearchExport | None:
    waiting = ResearchExport.objects.select_for_update(skip_locked=True, of=("self",))
    export = waiting.filter(state=ResearchExportState.WAITING).order_by("requested_at").first()
    if export is None:
        return None
    export.state, export.seen_at, export.done = ResearchExportState.BUILDING, timezone.now(), 0
    export.attempts += 1
    export.save(update_fields=["state", "seen_at", "done", "attempts"])
    return export


def _make(export: ResearchExport) -> None:
    if export.attempts > MOST_ATTEMPTS:
        raise FailedError("internal")
    person = export.requested_by
    if not (person.is_active and person.has_role(Role.RESEARCHER)):
        raise FailedError("not_allowed")
    studies = selected(export, person)[: services.MOST_STUDIES]
    # On disk, in the scheduler's temporary folder, where it makes its backups, too.
    with tempfile.TemporaryFile() as file:
        contents = archive.write(export, person, studies, file, lambda done: _tell(export, done))
        if not contents.studies:
            ResearchExport.objects.filter(pk=export.pk).update(
                left_out=dict(contents.left_out), with_text=contents.with_text
            )
            raise FailedError("nothing")
        _store(export, contents, file)


def _tell(export: ResearchExport, done: int) -> None:
    free = free_bytes()
    if free is not None and free < settings.UPLOAD_MIN_FREE_BYTES:
        raise FailedError("storage")
    if not _own(export).update(done=done, seen_at=timezone.now()):
        raise AbandonedError


def _store(export: ResearchExport, contents: ArchiveContents, file: Any) -> None:
    size = file.tell()
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    # Each attempt has its own file name, so that none removes another's file.
    name = f"{services.FOLDER}/{export.pk}-{export.attempts}.zip"
    key = default_storage.save(name, File(file))
    try:
        _finish(export, contents, {"key": key, "size": size, "sha256": sha256})
    except BaseException:
        default_storage.delete(key)
        raise


@transaction.atomic
def _finish(export: ResearchExport, contents: ArchiveContents, stored: dict[str, Any]) -> None:
    # Serialised with erasures: a later one finds the study in the export.
    held = Study.objects.select_for_update(no_key=True).filter(pk__in=contents.studies)
    if len(held.order_by("pk").values_list("pk", flat=True)) != len(contents.studies):
        # A study was erased while its images were being read.
        raise ErasedError
    now = timezone.now()
    finished = _own(export).update(
        state=ResearchExportState.READY,
        finished_at=now,
        expires_at=now + timedelta(days=settings.RESEARCH_EXPORT_DAYS),
        **stored,
        counts=dict(contents.counts),
        left_out=dict(contents.left_out),
        with_text=contents.with_text,
    )
    if not finished:
        raise AbandonedError
    ExportedStudy.objects.bulk_create(
        ExportedStudy(export=export, study_id=pk) for pk in contents.studies
    )
    append_all((_event(export.pk, study) for study in contents.studies), export.requested_by)


def _event(export: UUID, study: UUID) -> Event:
    return Event(Action.STUDY_EXPORTED, "study", study, study, {"export": str(export)})


@transaction.atomic
def _fail(export: ResearchExport, code: str) -> None:
    if _own(export).update(
        state=ResearchExportState.FAILED, failure=code, finished_at=timezone.now()
    ):
        event = Event(Action.RESEARCH_FAILED, "research_export", export.pk, detail={"reason": code})
        append(event)


def _own(export: ResearchExport) -> QuerySet[ResearchExport]:
    return ResearchExport.objects.filter(
        pk=export.pk, state=ResearchExportState.BUILDING, attempts=export.attempts
    )
