"""Heartbeats of worker processes. For how they are displayed see fleet.py."""

from django.conf import settings
from django.db.models.functions import Now

from webportal.access.system import record_start, record_stop
from webportal.inference.models import Worker


def heartbeat_seconds() -> float:
    """Heartbeat interval: at least three per lease."""
    lease: int = settings.INFERENCE_LEASE_SECONDS
    return min(10.0, lease / 3)


def report_start(name: str) -> None:
    """Record that a worker process has started. Draining is preserved."""
    fresh = {"started_at": Now(), "last_seen_at": Now(), "stopped_at": None}
    Worker.objects.update_or_create(name=name, defaults=fresh)
    record_start("worker", name)


def report_alive(name: str, device: str, model_version: str) -> bool:
    """Record a worker's heartbeat and what it runs; returns whether it should drain."""
    seen = {"last_seen_at": Now(), "device": device, "model_version": model_version}
    worker, _ = Worker.objects.update_or_create(
        name=name, defaults=seen, create_defaults=seen | {"started_at": Now()}
    )
    return worker.is_draining


def report_stop(name: str) -> None:
    """Record that a worker process has shut down cleanly."""
    Worker.objects.filter(name=name).update(last_seen_at=Now(), stopped_at=Now())
    record_stop("worker", name)
