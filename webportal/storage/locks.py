"""A lock between those who store files and whoever removes them.

Advisory locks of PostgreSQL: who stores holds it with others, who removes holds it alone. It ends
with the transaction.
"""

from django.db import connection

_NUMBER = 0x6368657374  # "chest"


def lock_storing() -> None:
    """Keep what is stored from being removed until the transaction ends and its records count."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_NUMBER])


def lock_removing() -> None:
    """Keep others from storing, and from relying on what is stored, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER])
