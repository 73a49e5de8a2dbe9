"""Removing entries whose retention period has passed."""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from webportal.access.models import AccessEntry
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock

MOST_AT_ONCE = 20_000


def remove_old() -> int:
    """Remove a batch of entries older than ACCESS_LOG_DAYS, and return how many.

    The runtime role may not delete; a SECURITY DEFINER function does, but nothing younger than a
    year. The removal is recorded in the audit trail.
    """
    if not settings.ACCESS_LOG_DAYS:
        return 0
    before = clock() - timedelta(days=settings.ACCESS_LOG_DAYS)
    if not AccessEntry.objects.filter(at__lt=before).exists():
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT access_remove(%s, %s)", [before, MOST_AT_ONCE])
        count: int = cursor.fetchone()[0]
        if count:
            detail = {"entries": count, "older_than": before.isoformat()}
            append(Event(Action.ACCESS_REMOVED, detail=detail))
    return count
