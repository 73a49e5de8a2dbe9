"""Heartbeats of worker processes. For how they are displayed see fleet.py."""

import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from webportal.access.system import record_start, record_stop
from webportal.inference.models import Worker
from webportal.version import VERSION


def heartbeat_seconds() -> float:
    """Heartbeat interval: at least three per lease."""
    lease: int = settings.INFERENCE_LEASE_SECONDS
    return min(10.0, lease / 3)


_LOADING_LOCK = 0x63686573746C6F


@dataclass(frozen=True)
class Orders:
    """What hospital IT wants of a worker."""

    is_draining: bool
    is_to_stop: bool


def report_start(name: str) -> None:
    """Record that a worker process has started. Draining is preserved, an order to stop is not."""
    fresh = {
        "host": socket.gethostname()[:100],
        "program_version": VERSION,
        "started_at": Now(),
        "last_seen_at": Now(),
        "stopped_at": None,
        "stop_requested_at": None,
        "loading_since": None,
    }
    Worker.objects.update_or_create(name=name, defaults=fresh)
    record_start("worker", name)


def report_alive(
    name: str,
    device: str,
    model_version: str,
    measured: dict[str, Any],
    log_tail: str | None = None,
) -> Orders:
    """Record a worker's heartbeat, what it runs and has measured, and a changed end of its log.

    Returns what it is to do.
    """
    seen: dict[str, Any] = {
        "last_seen_at": Now(),
        "device": device,
        "model_version": model_version,
        "measured": measured,
    }
    if log_tail is not None:
        seen["log_tail"] = log_tail
    worker, _ = Worker.objects.update_or_create(
        name=name, defaults=seen, create_defaults=seen | {"started_at": Now()}
    )
    return Orders(worker.is_draining, worker.stop_requested_at is not None)


@transaction.atomic
def begin_loading(name: str) -> bool:
    """Whether it is this worker's turn to load another model version.

    One does at a time, so that the others go on with the version that they have. One that has been
    loading for longer than a lease is taken for dead.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOADING_LOCK])
    limit = Now() - timedelta(seconds=settings.INFERENCE_LEASE_SECONDS)
    others = Worker.objects.exclude(name=name).filter(stopped_at=None, loading_since__gt=limit)
    if others.exists():
        return False
    Worker.objects.filter(name=name).update(loading_since=Now())
    return True


def end_loading(name: str) -> None:
    """Give the turn to the next worker."""
    Worker.objects.filter(name=name).update(loading_since=None)


def report_stop(
    name: str, measured: dict[str, Any] | None = None, log_tail: str | None = None
) -> None:
    """Record that a worker process has shut down cleanly, what it measured, and its log's end."""
    seen: dict[str, Any] = {"last_seen_at": Now(), "stopped_at": Now()}
    if measured is not None:
        seen["measured"] = measured
    if log_tail is not None:
        seen["log_tail"] = log_tail
    Worker.objects.filter(name=name).update(**seen)
    record_stop("worker", name)
