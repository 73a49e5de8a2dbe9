"""Choosing the images of a trial: the scheduler adds what the active version has just assessed.

Nothing is done where results are written: a trial adds nothing to the workers' transactions, and no
fault in it can lose a result.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from webportal.oversight.models import Shadow
from webportal.oversight.shadow.services import close_if_over
from webportal.oversight.shadow.work import lose, running_shadow

# Results are stamped by the workers' clocks and committed a little later.
_SETTLED = timedelta(minutes=10)

# By a hash of the study, so that all of its images are in the trial or none, and each trial has
# other studies. Images outside the active version's purpose are left out: their results count
# nowhere.
PLAN = """
INSERT INTO oversight_shadowresult
    (shadow_id, prediction_id, radiograph_id, state, worker, category, reason_code)
SELECT DISTINCT ON (prediction.radiograph_id)
    %(shadow)s, prediction.id, prediction.radiograph_id, 'waiting', '', '', ''
FROM inference_job AS job
JOIN inference_prediction AS prediction ON prediction.job_id = job.id
WHERE job.state IN ('done', 'refused') AND job.finished_at >= %(since)s
    AND prediction.model_version_id = %(beside)s
    AND prediction.purpose IN ('within', 'unconfirmed')
    AND ('x' || left(md5(%(shadow)s::text || job.study_id::text), 8))::bit(32)::bigint %% 100
        < %(share)s
ORDER BY prediction.radiograph_id, job.finished_at
ON CONFLICT (shadow_id, radiograph_id) DO NOTHING
"""


def plan() -> int:
    """Add the new images of the running trial, if any; return how many.

    Also ends a trial whose time is over, and takes back the images of dead workers.
    """
    lose(leased_until__lt=Now())
    close_if_over()
    running = running_shadow()
    return _plan(running) if running is not None else 0


@transaction.atomic
def _plan(running: Shadow) -> int:
    # Waits for anyone who is just ending the trial.
    shadow = Shadow.objects.select_for_update().get(pk=running.pk)
    if shadow.ended_at is not None:
        return 0
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            PLAN,
            {
                "shadow": shadow.pk,
                "beside": shadow.beside_id,
                "share": shadow.share,
                "since": max(shadow.started_at, shadow.planned_until - _SETTLED),
            },
        )
        added: int = cursor.rowcount
    shadow.planned_until = now
    shadow.save(update_fields=["planned_until"])
    return added
