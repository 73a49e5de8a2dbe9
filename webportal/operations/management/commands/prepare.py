"""`manage.py prepare`: prepares the database and the model before the processes start."""

import os
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from webportal.database import roles
from webportal.inference.purpose.keeping import evaluate_unjudged


class Command(BaseCommand):
    """Migrate, register the shipped model, judge old results, create the first administrator.

    Safe to repeat.
    """

    help = "Prepare the database for a start."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DATABASE_OWNER_URL:
            _migrate_as_owner(settings.DATABASE_OWNER_URL, options["verbosity"])
        else:
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
        call_command("register_model", stdout=self.stdout)
        evaluate_unjudged()
        call_command("create_first_administrator", stdout=self.stdout)


def _migrate_as_owner(owner_url: str, verbosity: int) -> None:
    """Migrate in a process that connects as the owner; this one stays with the runtime role."""
    runtime_url = settings.DATABASE_URL
    environment = {**os.environ, "DATABASE_URL": owner_url}
    environment.pop("DATABASE_URL_FILE", None)
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "migrate", "--no-input"]
    try:
        roles.ensure_runtime_role(owner_url, runtime_url)
        done = subprocess.run(
            [*command, "--verbosity", str(verbosity)], env=environment, check=False
        )
        if done.returncode != 0:
            raise CommandError("The database could not be migrated; the reason is above.")
        roles.grant(owner_url, runtime_url)
    except roles.RoleError as error:
        raise CommandError(str(error)) from error
