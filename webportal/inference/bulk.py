"""Changing all jobs that failed for the same reason, as hospital IT does after an incident.

Each job is changed in its own transaction by the function that changes a single one, so that the
trail has an entry for each and one that somebody else has changed meanwhile does not stop the
others.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import models
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import User
from webportal.inference.models import Job, JobState
from webportal.inference.queue import (
    QueueError,
    awaiting_release,
    cancel,
    release_from_quarantine,
    rerun,
)

#: As many as a request may change in the time that it has.
MOST = 300
_REFUSED_SINCE = timedelta(days=1)


class BulkChange(models.TextChoices):
    """What can be done to all jobs with the same reason."""

    RELEASE = "release", _("Release everything in quarantine")
    GIVE_UP = "give_up", _("Give up everything in quarantine")
    CANCEL = "cancel", _("Cancel queued jobs that failed before")
    RERUN = "rerun", _("Analyse again the images not assessable in the last 24 hours")


@dataclass(frozen=True)
class ChangedJobs:
    """How many jobs were changed, and how many are left."""

    changed: int
    left: int


def jobs_for(change: BulkChange, reason_code: str) -> QuerySet[Job]:
    """The jobs that a change concerns, the longest in their state first."""
    if change in (BulkChange.RELEASE, BulkChange.GIVE_UP):
        jobs = awaiting_release()
    elif change == BulkChange.CANCEL:
        jobs = Job.objects.filter(state=JobState.QUEUED)
    else:
        later = Job.objects.filter(
            radiograph=OuterRef("radiograph"), queued_at__gt=OuterRef("queued_at")
        )
        lately = timezone.now() - _REFUSED_SINCE
        jobs = Job.objects.filter(~Exists(later), state=JobState.REFUSED, finished_at__gte=lately)
    return jobs.filter(reason_code=reason_code).order_by("finished_at", "queued_at", "id")


def apply(change: BulkChange, reason_code: str, by: User, most: int = MOST) -> ChangedJobs:
    """Change up to `most` jobs whose reason has this code."""
    jobs = jobs_for(change, reason_code)
    changed = 0
    for job in jobs.select_related("radiograph__study")[:most]:
        try:
            _apply(change, job, by)
        except QueueError:
            continue  # somebody else was faster
        changed += 1
    return ChangedJobs(changed, jobs.count())


def _apply(change: BulkChange, job: Job, by: User) -> None:
    if change == BulkChange.RELEASE:
        release_from_quarantine(job, by)
    elif change == BulkChange.RERUN:
        rerun(job.radiograph, by)
    else:
        cancel(job, by)
