"""Work that only one process at a time may do."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def trying_lock(space: int, key: int = 0) -> Iterator[bool]:
    """Hold an advisory lock of PostgreSQL, if nobody else does; yields whether it is held.

    Both numbers have 32 bits. The lock is released, too, when the database connection is lost.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [space, key])
        is_held = bool(cursor.fetchone()[0])
    try:
        yield is_held
    finally:
        if is_held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [space, key])
