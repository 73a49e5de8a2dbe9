"""The only code that changes a job's state.

queued → running → done | refused; running → queued (lease expired, error, drained worker) or
quarantined (three attempts); queued → cancelled; quarantined → a new job, by a person.
"""

from django.db import transaction
from django.utils import timezone

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.hints import hint_after_commit
from webportal.inference.models import Job, JobState
from webportal.records.models import Radiograph


@transaction.atomic
def enqueue(radiograph: Radiograph, by: User) -> Job:
    """Queue an inference of the radiograph at its study's priority, and hint after commit.

    While a job of this radiograph is queued or running, that job is returned instead. Earlier
    jobs, whatever became of them, never stand in the way.
    """
    Radiograph.objects.select_for_update().get(pk=radiograph.pk)
    open_job = Job.objects.filter(
        radiograph=radiograph, state__in=[JobState.QUEUED, JobState.RUNNING]
    ).first()
    if open_job is not None:
        return open_job
    job = Job.objects.create(
        radiograph=radiograph,
        priority=radiograph.study.priority,
        queued_at=timezone.now(),
        created_by=by,
    )
    hint_after_commit()
    append(Event(Action.JOB_QUEUED, "job", job.pk, radiograph.study_id), by)
    return job
