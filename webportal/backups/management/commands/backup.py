"""`manage.py backup`: back up the database and the stored files, verify a backup, list them."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from webportal.backups import repository, taking, verifying
from webportal.backups.errors import BackupError
from webportal.backups.models import BackupState
from webportal.storage import StorageAwayError

_NEWEST = "newest"


class Command(BaseCommand):
    """Exits with 1 if a backup is incomplete, or if verification finds something."""

    help = (
        "Back up the database and the stored files to BACKUP_REPOSITORY while the system is in use."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--list", action="store_true", help="List the backups instead.")
        chosen.add_argument(
            "--verify",
            metavar="NAME",
            nargs="?",
            const=_NEWEST,
            help="Verify the newest backup, or the one named, instead of making one. With"
            " BACKUP_IDENTITY everything is decrypted and compared.",
        )
        chosen.add_argument(
            "--begin-repository",
            action="store_true",
            help="Make the first backup in a new repository that replaces an earlier one.",
        )

    # The scheduler's log is in English.
    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["list"]:
                self.stdout.writelines(f"{name}\n" for name in repository.names())
                return
            # Lower CPU priority than requests and workers.
            os.nice(10)
            if options["verify"]:
                self._verify(options["verify"])
            else:
                self._take(may_begin_repository=options["begin_repository"])
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error

    def _take(self, *, may_begin_repository: bool) -> None:
        try:
            backup = taking.take(may_begin_repository=may_begin_repository)
        except StorageAwayError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{backup.name}: {backup.state}, {backup.files} files, {backup.new_files} of them new,"
            f" {backup.new_bytes} bytes written"
        )
        if backup.state != BackupState.COMPLETE:
            if backup.lost_files:
                self.stdout.write(f"{backup.lost_files} files are missing or damaged; see the log")
            else:
                self.stdout.write("the anchors of the audit trail are not in AUDIT_ANCHOR_FILE")
            sys.exit(1)

    def _verify(self, name: str) -> None:
        verdict = verifying.verify(verifying.newest() if name == _NEWEST else name, self._tell)
        how = "decrypted and compared" if verdict.decrypted else "compared without decrypting"
        self.stdout.write(
            f"{verdict.name}: {verdict.objects} objects {how}, {len(verdict.faults)} missing or"
            f" damaged; {verdict.signed}"
        )
        self.stdout.writelines(f"missing or damaged: {fault}\n" for fault in verdict.faults)
        self.stdout.writelines(f"not in the backup: {key}\n" for key in verdict.lost)
        if verdict.faults or verdict.lost:
            sys.exit(1)

    def _tell(self, done: int, total: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{done} of {total}", ending="")
