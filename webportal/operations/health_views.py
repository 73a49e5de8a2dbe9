"""Liveness and readiness checks for the supervisor and for load balancers.

Both addresses are open to everyone, so they tell only which part fails, never why.
"""

from functools import cache

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from kombu import Connection
from kombu.exceptions import OperationalError

from webportal.database.migrated import missing_migrations
from webportal.records.storage_identity import is_our_storage
from webportal.storage import gives_files, takes_files
from webportal.version import VERSION

BROKER_TIMEOUT_SECONDS = 1


@login_not_required
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Report that the process responds; nothing else is checked."""
    return JsonResponse({"status": "live", "version": VERSION})


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Whether requests can be served: 200, or 503 with the check that fails.

    *Degraded* counts as ready because studies can be read. If the storage accepts no files, uploads
    are refused. An unavailable broker affects nobody: jobs are rows, and the sweep hints at them
    once the broker is back.
    """
    database = _database_answers()
    needed = {
        "database": database,
        "migrations": database and not _unapplied_migrations(),
        "storage": gives_files() and (not database or is_our_storage()),
    }
    is_ready = all(needed.values())
    wanted = {"uploads": needed["storage"] and takes_files(), "broker": broker_answers()}
    checks = needed | wanted
    status = "degraded" if is_ready and not all(wanted.values()) else "ready"
    return JsonResponse(
        {
            "status": status if is_ready else "not ready",
            "version": VERSION,
            "checks": {name: "ok" if passed else "failing" for name, passed in checks.items()},
        },
        status=200 if is_ready else 503,
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _unapplied_migrations() -> bool:
    try:
        _require_migrations()
    except (DatabaseError, LookupError):
        return True
    return False


@cache
def _require_migrations() -> None:
    """Raise LookupError while a migration is missing; checks the database until none is.

    Only success is remembered, because exceptions are not cached.
    """
    if missing_migrations():
        raise LookupError


def broker_answers() -> bool:
    """Whether the broker accepts connections; waits for about two seconds at most."""
    limits = {"socket_connect_timeout": BROKER_TIMEOUT_SECONDS, "socket_timeout": 1}
    with Connection(settings.BROKER_URL, transport_options=limits) as broker:
        try:
            broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_SECONDS)
        except (OSError, OperationalError):
            return False
    return True
