"""`manage.py fetch_wal`: fetch what a point-in-time recovery needs; `make recover` runs it."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from webportal.backups import wal_archive
from webportal.backups.errors import BackupError


class Command(BaseCommand):
    """Needs the repository and BACKUP_IDENTITY, and no database."""

    help = "Decrypt a copy of the cluster and its log from BACKUP_REPOSITORY into a folder."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "until", type=datetime.fromisoformat, help="The time to restore to, with its time zone."
        )
        parser.add_argument("folder", type=Path, help="An empty folder.")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            begun = wal_archive.fetch(options["until"], options["folder"])
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The copy is of {begun:%Y-%m-%d %H:%M} UTC.")
