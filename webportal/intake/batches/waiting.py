"""Queue positions and outcomes of a batch's images."""

import math
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext

from webportal.inference.fleet import TAKE_JOBS, workers_with_states
from webportal.inference.models import Job, JobState
from webportal.intake.models import UploadBatch

_RATE_OVER = timedelta(minutes=5)

# The order in which workers claim; see webportal.inference.claims.
LINE = """
WITH line AS (
    SELECT radiograph_id, is_paused,
        row_number() OVER (ORDER BY is_paused, priority, queued_at, id) AS place
    FROM inference_job AS job, LATERAL (
        SELECT EXISTS (
            SELECT FROM inference_queuepause AS pause
            WHERE pause.priority IS NULL OR pause.priority = job.priority
        ) AS is_paused
    ) AS paused
    WHERE state = 'queued'
)
"""
BATCH = f"""{LINE}
SELECT min(line.place), max(line.place), bool_and(line.is_paused) FROM line
JOIN intake_uploaditem AS item USING (radiograph_id)
WHERE item.batch_id = %s AND item.verdict = 'accepted'
"""  # noqa: S608
EACH = f"""{LINE}
SELECT radiograph_id, place FROM line WHERE radiograph_id = ANY(%s) AND NOT is_paused
"""  # noqa: S608


@dataclass(frozen=True)
class QueuePlace:
    """How many images are ahead of a batch, and in how many minutes its last one should be done.

    `minutes` is an estimate from the last five minutes; None while nothing is being analysed. If
    `is_at_rest`, no worker takes jobs, so nothing advances; if `is_paused`, hospital IT has paused
    the analysis of what waits.
    """

    ahead: int
    minutes: int | None
    is_at_rest: bool
    is_paused: bool


@dataclass(frozen=True)
class Analysis:
    """The latest job of an image; `place` counts from 1 in the queue, None if it is not queued.

    The model's result is left out: not everybody who sees a batch may see it.
    """

    label: str
    place: int | None


def place_of(batch: UploadBatch) -> QueuePlace | None:
    """The batch's position in the queue; None if none of its images is queued."""
    with connection.cursor() as cursor:
        cursor.execute(BATCH, [batch.pk])
        first, last, is_paused = cursor.fetchone()
    if first is None:
        return None
    finished = Job.objects.filter(
        state__in=(JobState.DONE, JobState.REFUSED),
        finished_at__gte=timezone.now() - _RATE_OVER,
    ).count()
    per_minute = finished / (_RATE_OVER.total_seconds() / 60)
    is_at_rest = not workers_with_states().filter(state__in=TAKE_JOBS).exists()
    advances = finished and not is_at_rest and not is_paused
    minutes = math.ceil(last / per_minute) if advances else None
    return QueuePlace(first - 1, minutes, is_at_rest, is_paused)


def analyses(radiograph_ids: Collection[uuid.UUID | None]) -> dict[uuid.UUID, Analysis]:
    """The state of the analysis of each image that has a job."""
    known = [each for each in radiograph_ids if each is not None]
    jobs = Job.objects.filter(radiograph__in=known).order_by("radiograph_id", "-queued_at")
    newest = jobs.distinct("radiograph_id").only("radiograph_id", "state")
    with connection.cursor() as cursor:
        cursor.execute(EACH, [known])
        places = dict(cursor.fetchall())
    return {
        job.radiograph_id: Analysis(_progress_label(job), places.get(job.radiograph_id))
        for job in newest
    }


def _progress_label(job: Job) -> str:
    if job.state in (JobState.DONE, JobState.REFUSED):
        return gettext("Analysed")
    return str(job.get_state_display())
