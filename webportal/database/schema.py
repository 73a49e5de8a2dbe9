"""Migrating as the owner, in a process of its own; the caller's stays with the runtime role."""

import os
import subprocess
import sys

from django.conf import settings
from django.core.management import call_command

from webportal.database import roles


class MigrationError(Exception):
    """The database could not be migrated; the reason is on standard error."""


def migrate(verbosity: int) -> None:
    """Run the system checks, migrate the database, and let the runtime role work on all tables.

    Raises MigrationError, and RoleError where the two roles are not as they must be.
    """
    owner_url = settings.DATABASE_OWNER_URL
    if not owner_url:
        call_command("migrate", interactive=False, verbosity=verbosity, skip_checks=False)
        return
    environment = {**os.environ, "DATABASE_URL": owner_url}
    environment.pop("DATABASE_URL_FILE", None)
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "migrate", "--no-input"]
    roles.ensure_runtime_role(owner_url, settings.DATABASE_URL)
    done = subprocess.run([*command, "--verbosity", str(verbosity)], env=environment, check=False)
    if done.returncode != 0:
        raise MigrationError("The database could not be migrated; the reason is above.")
    roles.grant(owner_url, settings.DATABASE_URL)
