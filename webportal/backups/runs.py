"""Starting scheduled backups, in a separate process so that they do not delay the sweep."""

import subprocess
import sys
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from webportal.backups import repository
from webportal.backups.models import Backup, BackupState

# A failed backup is retried after this long, or when it would be due anyway.
RETRY = timedelta(hours=1)
_child: "subprocess.Popen[bytes] | None" = None


def start_if_due() -> bool:
    """Start a backup if BACKUP_EVERY_HOURS requires one, unless one is running."""
    global _child
    if _child is not None and _child.poll() is None:
        return False
    _child = None
    if not is_due():
        return False
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "backup"]
    _child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    return True


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
