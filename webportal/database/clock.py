"""The database's clock, shared by every process and machine."""

from datetime import datetime

from django.db import connection


def clock() -> datetime:
    """The present time, not that at which the transaction began."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
