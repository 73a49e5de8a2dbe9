"""`manage.py create_backup_key FILE`: create the key pair for encrypting backups."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webportal.backups import encryption


class Command(BaseCommand):
    """Write the secret key into a new file, and print the public key."""

    help = (
        "Create the key pair for backups: write the secret key to a file and print the public key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="A new file for the secret key.")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        secret, public = encryption.new_identity()
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        with os.fdopen(descriptor, "w") as target:
            target.write(f"# public key: {public}\n{secret}\n")
        self.stdout.write(f"BACKUP_RECIPIENTS={public}")
        self.stderr.write(
            f"Keep {file} away from this machine, in two places: without it no backup can be read."
            " Restoring needs it as BACKUP_IDENTITY_FILE."
        )
