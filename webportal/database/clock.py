"""The database's clock, the same one for every process and every machine of the portal."""

from datetime import datetime

from django.db import connection


def clock() -> datetime:
    """The time now, not that at which the transaction began."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
