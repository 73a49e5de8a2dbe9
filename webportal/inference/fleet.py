"""The worker processes as hospital IT sees them: their state, drain, resume and stop."""

from datetime import timedelta
from typing import TypedDict

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import WithAnnotations

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.hints import hint_after_commit
from webportal.inference.models import Job, JobState, Worker
from webportal.refusals import Conflict


class WorkerState(models.TextChoices):
    """What a worker is doing."""

    BUSY = "busy", _("Busy")
    IDLE = "idle", _("Idle")
    DRAINING = "draining", _("Draining")
    LOST = "lost", _("Lost")
    STOPPED = "stopped", _("Stopped")


TAKE_JOBS = [WorkerState.BUSY, WorkerState.IDLE]
ALIVE = [*TAKE_JOBS, WorkerState.DRAINING]


class NotRunningError(Conflict):
    """The worker has ended already, or does not respond."""


class Standing(TypedDict):
    """Annotations that `workers_with_states` adds to a worker."""

    state: str
    running_jobs: int


def workers_with_states() -> "QuerySet[WithAnnotations[Worker, Standing]]":
    """Every worker, annotated with `state` (a WorkerState) and `running_jobs`.

    A worker not seen for the length of a lease is lost: others take over its jobs.
    """
    running = (
        Job.objects.filter(state=JobState.RUNNING, worker=OuterRef("name"))
        .order_by()
        .values("worker")
        .annotate(count=Count("pk"))
        .values("count")
    )
    silence = timedelta(seconds=settings.INFERENCE_LEASE_SECONDS)
    return Worker.objects.annotate(
        running_jobs=Coalesce(Subquery(running), 0),
        state=Case(
            When(stopped_at__isnull=False, then=Value(WorkerState.STOPPED.value)),
            # Seen in the future: not since the database's clock was set back.
            When(
                Q(last_seen_at__lt=Now() - silence) | Q(last_seen_at__gt=Now() + silence),
                then=Value(WorkerState.LOST.value),
            ),
            When(is_draining=True, then=Value(WorkerState.DRAINING.value)),
            When(Q(running_jobs__gt=0), then=Value(WorkerState.BUSY.value)),
            default=Value(WorkerState.IDLE.value),
            output_field=models.CharField(),
        ),
    )


@transaction.atomic
def drain(worker: Worker, by: User | str) -> None:
    """Tell a worker to finish what it has and take no further jobs."""
    if Worker.objects.filter(pk=worker.pk, is_draining=False).update(is_draining=True):
        append(Event(Action.WORKER_DRAINED, "worker", worker.pk[:64]), by)


@transaction.atomic
def stop(worker: Worker, by: User | str) -> None:
    """Tell a worker to finish what it has and end.

    It stays drained: where something starts it again, it takes no jobs until somebody resumes it.
    Raises NotRunningError unless it is running.
    """
    running = workers_with_states().filter(pk=worker.pk, state__in=ALIVE)
    if not running.exists():
        raise NotRunningError(gettext("This worker is not running."))
    asked = Worker.objects.filter(pk=worker.pk, stop_requested_at=None)
    if asked.update(is_draining=True, stop_requested_at=Now()):
        append(Event(Action.WORKER_STOPPED, "worker", worker.pk[:64]), by)


@transaction.atomic
def resume(worker: Worker, by: User | str) -> None:
    """Tell a drained worker to take jobs again."""
    if Worker.objects.filter(pk=worker.pk, is_draining=True).update(is_draining=False):
        hint_after_commit()
        append(Event(Action.WORKER_RESUMED, "worker", worker.pk[:64]), by)
