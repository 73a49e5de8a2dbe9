"""The scheduler's Celery application: the workers' application plus the schedule and its tasks.

It is a separate worker, so that no sweep waits behind inference. Run exactly one per installation:

    celery --app scheduler.app worker --pool solo --queues maintenance --beat
"""

from typing import Any

from celery.signals import worker_ready
from django.conf import settings

from webportal.audit import anchors
from workers.app import app

__all__ = ["app"]

MAINTENANCE_QUEUE = "maintenance"
ANCHOR_SECONDS = 60
NOTIFY_SECONDS = 20
CLEAN_SECONDS = 300
MARK_SECONDS = 60


def _every(seconds: int, task: str) -> dict[str, Any]:
    # A message that waited for a whole period is obsolete: the next one is there.
    options = {"queue": MAINTENANCE_QUEUE, "expires": seconds}
    return {"task": f"workers.tasks.{task}", "schedule": seconds, "options": options}


app.conf.update(
    include=[*app.conf.include, "scheduler.tasks"],
    # The schedule needs no record of the last run, and so no file.
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        "sweep": _every(settings.SWEEP_SECONDS, "sweep"),
        "anchor_audit": _every(ANCHOR_SECONDS, "anchor_audit"),
        "notify": _every(NOTIFY_SECONDS, "notify"),
        "clean_storage": _every(CLEAN_SECONDS, "clean_storage"),
        "watch_database": _every(MARK_SECONDS, "watch_database"),
    },
)


@worker_ready.connect
def _anchor_at_once(**kwargs: Any) -> None:
    """Write an anchor at start-up: the last one may be hours old."""
    anchors.anchor()
