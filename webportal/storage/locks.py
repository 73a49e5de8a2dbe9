"""Locks between transactions that store files, the one that removes files, and backups.

Advisory locks of PostgreSQL, released at the end of the transaction. The first is shared for
storing and exclusive for removing. A backup holds the second exclusively for as long as it runs.
"""

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

_NUMBER = 0x6368657374  # "chest"
_BACKUP = 0x6368657375

#: Prevents the removal of files until the transaction, and thus its records, are committed.
LOCK_STORING = f"SELECT pg_advisory_xact_lock_shared({_NUMBER})"


def lock_removing() -> None:
    """Prevent others from storing files, or relying on stored ones, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER])


def lock_inbox_file(sha256: str) -> None:
    """Let only one transaction at a time write or erase a file of the DICOM inbox."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"inbox {sha256}"])


def lock_backing_up(by: BaseDatabaseWrapper, wait_seconds: int) -> None:
    """Prevent files from being removed permanently, and other backups from starting.

    Held by the transaction of the given connection. Raises OperationalError if another backup holds
    it for longer than `wait_seconds`.
    """
    with by.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{wait_seconds}s"])
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_BACKUP])


def may_remove_for_good() -> bool:
    """Whether no backup is running; none can start until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [_BACKUP])
        row = cursor.fetchone()
    return bool(row and row[0])
