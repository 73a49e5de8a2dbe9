"""Django's `migrate`, for a database that is in use.

A statement that changes a table waits for everyone who uses it, and everyone who comes later waits
behind it. So it waits only for seconds, and is retried.
"""

import time
from typing import Any

import psycopg
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

LOCK_SECONDS = 3
PAUSE_SECONDS = 5
ATTEMPTS = 60


class Command(migrate.Command):
    """Migrate; each change of a table makes others wait for at most LOCK_SECONDS."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        for attempt in range(1, ATTEMPTS + 1):
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS}s"])
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                is_locked = isinstance(error.__cause__, psycopg.errors.LockNotAvailable)
                if not is_locked:
                    raise
                if attempt == ATTEMPTS:
                    raise CommandError(
                        "The database is not migrated: a table has been in use for minutes, as it "
                        "is during a backup. Run this again once that is over."
                    ) from error
                self.stderr.write("A table is in use; trying again.")
                time.sleep(PAUSE_SECONDS)
            else:
                return
            finally:
                # An error on a broken connection would hide the cause.
                if connection.is_usable():
                    with connection.cursor() as cursor:
                        cursor.execute("RESET lock_timeout")
