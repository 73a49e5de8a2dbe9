"""Locks between those who store files and whoever removes them.

Advisory locks of PostgreSQL, which end with the transaction. Who stores holds the first with
others, who removes holds it alone. A backup holds the second alone for as long as it takes.
"""

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

_NUMBER = 0x6368657374  # "chest"
_BACKUP = 0x6368657375


def lock_storing() -> None:
    """Keep what is stored from being removed until the transaction ends and its records count."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_NUMBER])


def lock_removing() -> None:
    """Keep others from storing, and from relying on what is stored, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER])


def lock_backing_up(by: BaseDatabaseWrapper, wait_seconds: int) -> None:
    """Keep files from being removed for good, and other backups from beginning.

    Held by the transaction of the given connection. Raises OperationalError where another backup
    holds it for longer than `wait_seconds`.
    """
    with by.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{wait_seconds}s"])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_BACKUP])


def may_remove_for_good() -> bool:
    """Whether no backup is under way; none begins then until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [_BACKUP])
        row = cursor.fetchone()
    return bool(row and row[0])
