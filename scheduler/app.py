"""The scheduler's Celery application: the workers' application plus the schedule and its tasks.

It is a separate worker, so that no sweep waits behind inference. Run one per installation (`beat`
describes what a second one does):

    celery --app scheduler.app worker --pool solo --queues maintenance --beat
"""

import os
import signal
from typing import Any

from celery.signals import task_postrun, task_prerun, worker_ready, worker_shutdown
from celery.states import FAILURE
from django.conf import settings

from webportal import tracing
from webportal.access.system import record_start, record_stop
from webportal.audit import anchors
from webportal.database import compatibility
from webportal.delivery import starting
from workers.app import app
from workers.heartbeat_file import touch_heartbeat_file

__all__ = ["app"]

MAINTENANCE_QUEUE = "maintenance"
ANCHOR_SECONDS = 60
VERIFY_SECONDS = 10
NOTIFY_SECONDS = 20
CLEAN_SECONDS = 300
MARK_SECONDS = 60
CHECK_SECONDS = 20
BACK_UP_SECONDS = 60
ERASE_SECONDS = 20
FORGET_SECONDS = 3600
SEND_SECONDS = 5
EXPORT_SECONDS = 5
RESEARCH_SECONDS = 10
SUMMARISE_SECONDS = 60
SHADOW_SECONDS = 20
DRIFT_SECONDS = 600
#: The part of it that checking files, erasing, or exporting the audit trail may take; other tasks
#: wait meanwhile.
MOST_CHECKING_SECONDS = 2.0
MOST_ERASING_SECONDS = 2.0
MOST_EXPORTING_SECONDS = 2.0


def _every(seconds: int, task: str) -> dict[str, Any]:
    # A message that has waited for a whole period is obsolete: the next one is there.
    options = {"queue": MAINTENANCE_QUEUE, "expires": seconds}
    return {"task": task, "schedule": seconds, "options": options}


app.conf.update(
    include=[*app.conf.include, "scheduler.tasks"],
    # It needs no record of the last run, and so no file.
    beat_scheduler="scheduler.beat:GuardedScheduler",
    beat_schedule={
        "sweep": _every(settings.SWEEP_SECONDS, "workers.tasks.sweep"),
        "anchor_audit": _every(ANCHOR_SECONDS, "workers.tasks.anchor_audit"),
        "verify_audit": _every(VERIFY_SECONDS, "scheduler.tasks.verify_audit"),
        "notify": _every(NOTIFY_SECONDS, "workers.tasks.notify"),
        "clean_storage": _every(CLEAN_SECONDS, "workers.tasks.clean_storage"),
        "seal_access": _every(FORGET_SECONDS, "scheduler.tasks.seal_access"),
        "remove_old_access": _every(FORGET_SECONDS, "scheduler.tasks.remove_old_access"),
        "remove_old_orders": _every(FORGET_SECONDS, "scheduler.tasks.remove_old_orders"),
        "check_storage": _every(CHECK_SECONDS, "scheduler.tasks.check_storage"),
        "erase": _every(ERASE_SECONDS, "scheduler.tasks.erase"),
        "back_up": _every(BACK_UP_SECONDS, "scheduler.tasks.back_up"),
        "send_results": _every(SEND_SECONDS, "scheduler.tasks.send_results"),
        "make_research_exports": _every(RESEARCH_SECONDS, "scheduler.tasks.make_research_exports"),
        "remove_research_exports": _every(
            FORGET_SECONDS, "scheduler.tasks.remove_research_exports"
        ),
        "export_audit": _every(EXPORT_SECONDS, "scheduler.tasks.export_audit"),
        "summarise_queue": _every(SUMMARISE_SECONDS, "scheduler.tasks.summarise_queue"),
        "plan_shadow": _every(SHADOW_SECONDS, "scheduler.tasks.plan_shadow"),
        "compute_drift": _every(DRIFT_SECONDS, "scheduler.tasks.compute_drift"),
        "watch_database": _every(MARK_SECONDS, "scheduler.tasks.watch_database"),
    },
)


# The spans of running tasks, by task id.
_spans: dict[str, Any] = {}


@worker_ready.connect
def _begin(**kwargs: Any) -> None:
    """Record the start, and write an anchor: the last one may be hours old."""
    # Only now, after the beat process has been forked.
    tracing.start("chestline-scheduler")
    compatibility.watch(lambda: os.kill(os.getpid(), signal.SIGTERM))
    record_start("scheduler")
    anchors.anchor()
    touch_heartbeat_file()


@task_prerun.connect
def _begin_span(task_id: str, task: Any, **kwargs: Any) -> None:
    if (span := tracing.begin(task.name, parent="")) is not None:
        _spans[task_id] = span


@task_postrun.connect
def _end_span(task_id: str, state: str, **kwargs: Any) -> None:
    if (span := _spans.pop(task_id, None)) is not None:
        if state == FAILURE:
            tracing.mark_failed(span, "exception")
        span.end()


@task_postrun.connect
def _touch_after_task(**kwargs: Any) -> None:
    touch_heartbeat_file()


@worker_shutdown.connect
def _end(**kwargs: Any) -> None:
    """Stop the sending process, and record an orderly stop."""
    starting.stop()
    record_stop("scheduler")
    tracing.stop()
