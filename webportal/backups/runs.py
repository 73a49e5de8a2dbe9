"""Starting scheduled backups, in a separate process so that they do not delay the sweep."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from webportal.background import Background
from webportal.backups import repository
from webportal.backups.models import Backup, BackupState

# A failed backup is retried after this long, or when it would be due anyway.
RETRY = timedelta(hours=1)
_process = Background()
# When this process last started a verification, which may have failed.
_verification_started_at = datetime.min.replace(tzinfo=UTC)


def start_if_due() -> bool:
    """Start a backup, or the verification of the newest one, if due and none is running."""
    global _verification_started_at
    if _process.is_running():
        return False
    command = ["backup"]
    if not is_due():
        if not is_verification_due() or timezone.now() < _verification_started_at + RETRY:
            return False
        command.append("--verify")
        _verification_started_at = timezone.now()
    _process.start(*command)
    return True


def is_verification_due() -> bool:
    """Whether BACKUP_VERIFY_HOURS have passed since any backup was verified."""
    if not repository.is_configured() or settings.BACKUP_VERIFY_HOURS <= 0:
        return False
    if not Backup.objects.filter(state=BackupState.COMPLETE).exists():
        return False
    period = timedelta(hours=settings.BACKUP_VERIFY_HOURS)
    return not Backup.objects.filter(verified_at__gt=timezone.now() - period).exists()


def is_due() -> bool:
    """Whether a backup is due."""
    if not repository.is_configured() or settings.BACKUP_EVERY_HOURS <= 0:
        return False
    last = Backup.objects.first()
    if last is None:
        return True
    period = timedelta(hours=settings.BACKUP_EVERY_HOURS)
    has_succeeded = last.state in (BackupState.COMPLETE, BackupState.INCOMPLETE)
    return last.started_at < timezone.now() - (period if has_succeeded else min(period, RETRY))
