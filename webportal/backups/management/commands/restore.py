"""`manage.py restore`: restore a backup into an empty system."""

import sys
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from webportal.backups import restoring, verifying
from webportal.backups.errors import BackupError
from webportal.database.roles import RoleError
from webportal.database.schema import MigrationError


class Command(BaseCommand):
    """Exits with 1 if the restored audit trail or the records are not intact."""

    help = "Restore a backup from BACKUP_REPOSITORY into an empty database and the storage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "backup",
            nargs="?",
            help="Its name, from ‘manage.py backup --list’; default: the newest.",
        )
        parser.add_argument(
            "--without-files",
            action="store_true",
            help="Restore although files of the backup are missing or damaged.",
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            verification = restoring.restore(
                options["backup"] or verifying.newest(),
                self.stdout.write,
                without_files=options["without_files"],
            )
        except (BackupError, MigrationError, RoleError, OSError, psycopg.Error) as error:
            raise CommandError(str(error)) from error
        verdict = verification.verdict
        assert verdict is not None
        for each in [*verdict.findings, *verdict.remarks]:
            self.stdout.write(str(each))
        if not verdict.intact:
            self.stdout.write("Restored, but the audit trail or the records are not intact.")
            sys.exit(1)
        self.stdout.write(
            f"Restored and intact: {verdict.entries} entries, {verdict.anchors} anchors checked."
            " Everybody has to sign in again; API tokens are revoked; no files are removed from"
            " the storage until hospital IT resumes it under Queue."
        )
