"""Pausing and resuming the removal of files."""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.upkeep import database_mark
from webportal.upkeep.models import PauseReason, RemovalPause

logger = logging.getLogger(__name__)

#: For this long after somebody has resumed it, removal is not limited.
UNLIMITED_FOR = timedelta(days=1)


def open_pauses() -> QuerySet[RemovalPause]:
    """The pauses in force now."""
    return RemovalPause.objects.filter(ended_at=None)


@transaction.atomic
def pause(reason: PauseReason, files: int = 0) -> None:
    """Stop removing files until somebody resumes it."""
    begun, is_new = RemovalPause.objects.get_or_create(
        reason=reason, ended_at=None, defaults={"files": files, "since": timezone.now()}
    )
    if is_new:
        logger.error("Removing files from the storage is paused (%s)", reason)
        detail = {"reason": reason.value, "files": files}
        append(Event(Action.REMOVAL_PAUSED, "removal_pause", begun.pk, detail=detail))


def resume(paused: RemovalPause, by: User) -> bool:
    """End a pause; return False if somebody else already has."""
    with transaction.atomic():
        ended = open_pauses().filter(pk=paused.pk).update(ended_at=timezone.now(), ended_by=by)
        if not ended:
            return False
        detail = {"reason": paused.reason}
        append(Event(Action.REMOVAL_RESUMED, "removal_pause", paused.pk, detail=detail), by)
    if paused.reason == PauseReason.OLDER_DATABASE:
        database_mark.write()
    return True


def is_unlimited() -> bool:
    """Whether somebody has recently reviewed the number of files and resumed removal."""
    lately = timezone.now() - UNLIMITED_FOR
    return RemovalPause.objects.filter(reason=PauseReason.TOO_MANY, ended_at__gt=lately).exists()


def watch_database() -> None:
    """Pause removal if the database is older than the storage; otherwise update the mark."""
    if database_mark.is_contradicted():
        pause(PauseReason.OLDER_DATABASE)
    else:
        database_mark.write()
