"""`manage.py archive_wal`: keep the archive for point-in-time recovery; `make run` starts it."""

import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser, no_translations
from django.utils import timezone

from webportal.backups import wal_archive
from webportal.backups.errors import BackupError

BASE_EVERY = timedelta(days=1)
_PAUSE_SECONDS = 5
_RETRY_SECONDS = 60

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs until it is stopped; failures are logged and retried."""

    help = "Move the write-ahead log of PostgreSQL from a folder into BACKUP_REPOSITORY."
    # As for the receivers: `migrate` has run them.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "outbox", type=Path, help="The folder to which PostgreSQL copies the log."
        )
        parser.add_argument("socket", type=Path, help="The folder of PostgreSQL's socket.")
        parser.add_argument(
            "password_file", type=Path, help="A file with the password of the replication role."
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        while True:
            try:
                _keep(options["outbox"], options["socket"], options["password_file"])
            # S3 raises its own errors.
            except Exception as error:
                known = isinstance(error, BackupError | OSError)
                logger.error("the write-ahead log is not archived: %s", error, exc_info=not known)
                time.sleep(_RETRY_SECONDS)
            time.sleep(_PAUSE_SECONDS)


def _keep(outbox: Path, socket: Path, password_file: Path) -> None:
    wal_archive.ship(outbox)
    now = timezone.now()
    bases = wal_archive.bases()
    # Made by a recovery (deploy/local/recovery.py), after which earlier copies belong to
    # another timeline.
    needed = outbox / ".base-needed"
    if bases and bases[-1] >= now - BASE_EVERY and not needed.exists():
        return
    begun = wal_archive.take_base(socket, password_file.read_text())
    needed.unlink(missing_ok=True)
    oldest = bases[0] if bases else begun
    logger.info("copied the database; it can be restored to any time since %s", oldest)
    if settings.BACKUP_KEEP_DAYS > 0:
        wal_archive.delete_before(now - timedelta(days=settings.BACKUP_KEEP_DAYS))
