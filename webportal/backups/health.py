"""The state of the backups, for hospital IT's page, its alerts, and the metrics."""

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.backups import repository, wal_archive
from webportal.backups.models import Backup, BackupState

LATE = "backup_late"
NOT_COMPLETE = "backup_not_complete"
UNVERIFIED = "backup_unverified"
NOT_ARCHIVED = "wal_not_archived"

WORDS: dict[str, str | Promise] = {
    LATE: _(
        "There is no recent complete backup. See the last attempt on the Queue page, and run"
        " ‘manage.py backup’."
    ),
    NOT_COMPLETE: _(
        "The last backup failed, lacks files, or was found damaged. The Queue page says what"
        " happened."
    ),
    UNVERIFIED: _(
        "No backup has been verified for twice BACKUP_VERIFY_HOURS. Run ‘manage.py backup"
        " --verify’, which says what is wrong, and check that the scheduler runs."
    ),
    NOT_ARCHIVED: _(
        "The write-ahead log of the database has not reached BACKUP_REPOSITORY for 15 minutes, so"
        " that its disk fills up. The log of the archiver says why."
    ),
}
FAILURES: dict[str, str | Promise] = {
    "interrupted": _("It was interrupted. The next one continues where it stopped."),
    "settings": _("The settings of the backup are not valid; its log says which."),
    "repository_away": _("The folder of BACKUP_REPOSITORY does not exist. Is its disk mounted?"),
    "repository_empty": _("BACKUP_REPOSITORY is empty although it held backups."),
    "repository_refuses": _("BACKUP_REPOSITORY cannot be written or read. Is its disk full?"),
    "other_system": _("BACKUP_REPOSITORY holds backups that were made with another AUDIT_KEY."),
    "other_database": _("BACKUP_REPOSITORY holds backups of a later state, or another database."),
    "manifest": _("The newest manifest in BACKUP_REPOSITORY is damaged."),
    "database": _("The database could not be dumped; the log of the backup says why."),
    "storage_away": _("The storage could not be read."),
    "files_lost": _("Stored files are missing or damaged, and in no earlier backup."),
    "no_anchors": _("The anchors of the audit trail are not in AUDIT_ANCHOR_FILE on this host."),
}
UNEXPECTED = _("It failed unexpectedly; its log says why.")


def is_configured() -> bool:
    """Whether backups are made with Chestline's own command at all."""
    return repository.is_configured()


def latest() -> Backup | None:
    """The backup started most recently."""
    return Backup.objects.first()


def latest_complete() -> Backup | None:
    """The latest complete backup."""
    return Backup.objects.filter(state=BackupState.COMPLETE).first()


def why(backup: Backup) -> str:
    """What went wrong in a backup, in words; empty if nothing did."""
    return str(FAILURES.get(backup.failure, UNEXPECTED)) if backup.failure else ""


def last_verified() -> Backup | None:
    """The backup that was verified last."""
    return Backup.objects.exclude(verified_at=None).order_by("-verified_at").first()


def _is_unverified(verified: Backup | None) -> bool:
    """Whether a verification is long overdue, counted from the first complete backup."""
    first = Backup.objects.filter(state=BackupState.COMPLETE).order_by("started_at").first()
    if settings.BACKUP_VERIFY_HOURS <= 0 or first is None:
        return False
    since = verified.verified_at if verified else first.finished_at
    return since is None or since < timezone.now() - 2 * timedelta(
        hours=settings.BACKUP_VERIFY_HOURS
    )


def problems() -> list[str]:
    """The codes of the problems that need attention."""
    if not is_configured():
        return []
    found = []
    if settings.WAL_OUTBOX and wal_archive.is_late(Path(settings.WAL_OUTBOX)):
        found.append(NOT_ARCHIVED)
    oldest_good = timezone.now() - timedelta(hours=settings.BACKUP_MAX_AGE_HOURS)
    complete = latest_complete()
    if settings.BACKUP_MAX_AGE_HOURS > 0 and (
        complete is None or complete.started_at < oldest_good
    ):
        found.append(LATE)
    ended = Backup.objects.exclude(state=BackupState.RUNNING).first()
    # A later backup shares most of its objects with the one found damaged.
    verified = last_verified()
    if (ended is not None and ended.state != BackupState.COMPLETE) or (
        verified and verified.faults
    ):
        found.append(NOT_COMPLETE)
    if _is_unverified(verified):
        found.append(UNVERIFIED)
    return found
