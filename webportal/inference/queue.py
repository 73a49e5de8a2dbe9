"""The portal's side of the queue: request, cancel, release and count jobs.

Only this module and `claims`, which is for the workers, change a job's state:

queued → running → done | refused; running → queued (lease expired, error, worker stopped) or
quarantined (three attempts, or a file that can never be read); queued → cancelled;
quarantined → cancelled, or a new job, by a person.

Locks are taken in one order everywhere: radiograph, job, study, head of the audit trail.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from webportal import tracing
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.database.rows import insert
from webportal.inference.hints import hint_after_commit
from webportal.inference.models import Job, JobState, ModelVersion, Prediction
from webportal.inference.pauses import claimable
from webportal.inference.summary import refresh_summaries
from webportal.records.choices import ReadingState
from webportal.records.models import Radiograph, Study
from webportal.refusals import Conflict

OPEN_STATES = [JobState.QUEUED, JobState.RUNNING]


class QueueError(Conflict):
    """The job's state does not allow the action; the message says why."""


@transaction.atomic
def enqueue(radiograph: Radiograph, by: User) -> Job:
    """Queue an inference job at the study's priority, and send a hint after commit.

    If a job for this radiograph is queued or running, that job is returned instead. Earlier jobs,
    whatever their outcome, never prevent a new one. Raises QueueError for an image of a prior.
    """
    Radiograph.objects.select_for_update(no_key=True).get(pk=radiograph.pk)
    # Read it again: a radiologist may have put it on the worklist meanwhile.
    if Study.objects.filter(pk=radiograph.study_id, reading_state=ReadingState.PRIOR).exists():
        raise QueueError(
            _("This study is a prior, which is not analysed. Put it on the worklist first.")
        )
    open_job = Job.objects.filter(radiograph=radiograph, state__in=OPEN_STATES).first()
    if open_job is not None:
        return open_job
    [(job, event)] = _queued([radiograph], by)
    append(event, by)
    return job


def enqueue_new(radiographs: Sequence[Radiograph], by: User) -> list[Event]:
    """Queue the first job of each radiograph that the caller's transaction has created.

    Nobody else can see the radiographs yet, so nothing is locked. Returns what to audit, which the
    caller appends with its own events.
    """
    return [event for _, event in _queued(radiographs, by)]


def enqueue_unanalysed(study: Study, by: User) -> list[Event]:
    """Queue a job for each image of a study that has never had one; return what to audit.

    The study must be locked.
    """
    images = Radiograph.objects.filter(study=study, jobs=None).select_related("study")
    return enqueue_new(list(images.order_by("pk")), by)


def _queued(radiographs: Sequence[Radiograph], by: User) -> list[tuple[Job, Event]]:
    if not radiographs:
        return []
    # How long they wait is measured by the database's clock, too.
    now, traceparent = clock(), tracing.traceparent()
    jobs = [
        Job(
            radiograph=radiograph,
            study_id=radiograph.study_id,
            priority=radiograph.study.priority,
            queued_at=now,
            created_by=by,
            traceparent=traceparent,
        )
        for radiograph in radiographs
    ]
    insert(jobs)
    hint_after_commit()
    return [(job, Event(Action.JOB_QUEUED, "job", job.pk, job.study_id)) for job in jobs]


@transaction.atomic
def rerun(radiograph: Radiograph, by: User) -> Job:
    """Queue another inference job for a radiograph.

    Raises QueueError while one is queued or running, and for an image of a prior.
    """
    Radiograph.objects.select_for_update(no_key=True).get(pk=radiograph.pk)
    if Job.objects.filter(radiograph=radiograph, state__in=OPEN_STATES).exists():
        raise QueueError(_("This image is in the queue already."))
    return enqueue(radiograph, by)


@transaction.atomic
def rerun_outdated(study: Study, by: User) -> list[Job]:
    """Queue a new job for each image whose result is not the active version's.

    Raises QueueError if there is none, all are already queued, or the study is a prior.
    """
    outdated = Prediction.objects.filter(
        radiograph__study=study, is_current=True, model_version__is_active=False
    )
    # Lock all before the first entry locks the head of the trail.
    radiographs = list(
        Radiograph.objects.select_for_update(no_key=True)
        .filter(pk__in=outdated.values("radiograph"))
        .order_by("pk")
    )
    waiting = Job.objects.filter(radiograph__in=radiographs, state__in=OPEN_STATES)
    taken = set(waiting.values_list("radiograph", flat=True))
    if not ModelVersion.objects.filter(is_active=True).exists():
        raise QueueError(_("No model version is active; hospital IT activates one."))
    if all(radiograph.pk in taken for radiograph in radiographs):
        raise QueueError(
            _("Nothing to run again: every result is of the active version, or on its way.")
        )
    return [enqueue(each, by) for each in radiographs if each.pk not in taken]


@transaction.atomic
def cancel(job: Job, by: User) -> Job:
    """Cancel a queued or quarantined job.

    Raises QueueError in any other state.
    """
    locked = Job.objects.select_for_update().select_related("radiograph").get(pk=job.pk)
    if locked.state == JobState.RUNNING:
        raise QueueError(
            _("A worker is already processing this image; the result will appear in a moment.")
        )
    if locked.state not in (JobState.QUEUED, JobState.QUARANTINED):
        raise QueueError(_("This job is closed; there is nothing to cancel."))
    locked.state, locked.finished_at = JobState.CANCELLED, clock()
    locked.save(update_fields=["state", "finished_at"])
    refresh_summaries([locked.radiograph.study_id])
    append(Event(Action.JOB_CANCELLED, "job", locked.pk, locked.radiograph.study_id), by)
    return locked


@transaction.atomic
def release_from_quarantine(job: Job, by: User) -> Job:
    """Queue a new job for a quarantined image, and return the new job.

    The quarantined job is kept as a record. Raises QueueError if the job is not in quarantine or
    was released before, or its study is a prior.
    """
    Radiograph.objects.select_for_update(no_key=True).get(pk=job.radiograph_id)
    if not awaiting_release().filter(pk=job.pk).exists():
        raise QueueError(_("This job is not in quarantine, or was released already."))
    released = enqueue(job.radiograph, by)
    detail = {"new_job": str(released.pk)}
    study_id = job.radiograph.study_id
    append(Event(Action.JOB_RELEASED, "job", job.pk, study_id, detail), by)
    return released


def change_priority(study_id: uuid.UUID, priority: int, *, has_locked_study: bool = False) -> None:
    """Change the priority of a study's queued jobs.

    With `has_locked_study` the caller has locked the study already, and must not wait for jobs: one
    that somebody else has locked is left to them. It is just being claimed or cancelled, or gets
    another priority.
    """
    waiting = Job.objects.filter(radiograph__study=study_id, state=JobState.QUEUED)
    if has_locked_study:
        free = waiting.select_for_update(skip_locked=True, of=("self",))
        waiting = Job.objects.filter(pk__in=list(free.values_list("pk", flat=True)))
    waiting.update(priority=priority)


def awaiting_release() -> QuerySet[Job]:
    """The quarantined jobs whose image has not been queued again since."""
    later = Job.objects.filter(
        radiograph=OuterRef("radiograph"), queued_at__gt=OuterRef("queued_at")
    )
    return Job.objects.filter(~Exists(later), state=JobState.QUARANTINED)


def overdue(patience: timedelta) -> QuerySet[Job]:
    """Jobs waiting for longer than `patience`, although they are not paused."""
    return claimable().filter(queued_at__lt=Now() - patience)
