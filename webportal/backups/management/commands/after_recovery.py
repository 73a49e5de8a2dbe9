"""`manage.py after_recovery`: finish a recovery of the database to a point in time."""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from webportal.backups import restoring
from webportal.backups.errors import BackupError
from webportal.database.roles import RoleError
from webportal.database.schema import MigrationError


class Command(BaseCommand):
    """Run once, before the portal is started; `make recover` does so itself."""

    help = (
        "Repeat the erasures made since, end all sessions and API tokens, and pause the"
        " removal of files, after the database was restored to a point in time."
    )
    # `migrate` runs them.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "until", type=datetime.fromisoformat, help="The time restored to, with its time zone."
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restoring.after_recovery(options["until"], self.stdout.write)
        except (BackupError, MigrationError, RoleError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            "Everybody has to sign in again; API tokens are revoked; no files are removed from"
            " the storage until hospital IT resumes it under Queue."
        )
