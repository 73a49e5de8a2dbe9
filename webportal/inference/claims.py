"""The workers' side of the queue: claim jobs and report their outcome.

A worker's claim is a lease. Its reports are accepted only while the job is still running under the
same worker and attempt, so that a worker that lost its lease changes nothing. Leases are measured,
and results dated, by the database's clock only, because the clocks of several machines differ.

See `queue` for the states of a job, and for the order in which locks are taken.
"""

import hashlib
import logging
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.database.clock import clock
from webportal.database.compatibility import IS_TOO_OLD, PROTOCOL
from webportal.inference.hints import hint_after_commit
from webportal.inference.models import Job, JobState, ModelVersion, Prediction, Worker
from webportal.inference.purpose.keeping import load_known_facts
from webportal.inference.purpose.rule import Judgement, judge
from webportal.inference.summary import lock_studies, refresh_locked, refresh_summaries
from webportal.reasons import Reason
from webportal.records.choices import Category, Priority, Purpose

logger = logging.getLogger(__name__)

WORKER_LOST = "worker_lost"
# No lease is as long: workers do not start with one of more than two minutes. A later end was
# written before the database's clock was set back.
_LONGEST_LEASE = timedelta(minutes=10)

# The first in line decides: a job being retried is claimed alone, so that it can harm no other;
# otherwise those before the first such job are claimed. `MATERIALIZED` because the planner may
# otherwise run the locking part more than once. The priorities that are not paused are an array, so
# that the index of the queue is read in its order and paused jobs are never looked at.
CLAIM = f"""
WITH line AS MATERIALIZED (
    SELECT id, attempt, priority, queued_at FROM inference_job
    WHERE state = 'queued'
        AND priority = ANY(ARRAY(
            SELECT open FROM unnest(%(priorities)s::smallint[]) AS open WHERE NOT EXISTS (
                SELECT FROM inference_queuepause AS pause
                WHERE pause.priority IS NULL OR pause.priority = open)))
        AND NOT EXISTS (SELECT FROM inference_worker WHERE name = %(worker)s AND is_draining)
        AND NOT {IS_TOO_OLD}
    ORDER BY priority, queued_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), numbered AS (
    SELECT id, row_number() OVER in_order AS number,
        count(*) FILTER (WHERE attempt > 0) OVER in_order AS retries
    FROM line WINDOW in_order AS (ORDER BY priority, queued_at, id)
)
UPDATE inference_job AS job
SET state = 'running', worker = %(worker)s, attempt = job.attempt + 1, started_at = now(),
    leased_until = now() + %(lease)s
FROM numbered, records_radiograph AS radiograph
WHERE job.id = numbered.id AND radiograph.id = job.radiograph_id
    AND (numbered.retries = 0 OR numbered.number = 1 AND NOT %(busy)s)
RETURNING job.id, job.attempt, job.radiograph_id, radiograph.dicom_key,
    radiograph.dicom_sha256, job.priority, job.traceparent,
    extract(epoch FROM now() - job.queued_at)::float8
"""  # noqa: S608


@dataclass(frozen=True)
class ClaimedJob:
    """The data of a job for its worker; `attempt` fences everything it reports."""

    id: uuid.UUID
    attempt: int
    radiograph_id: uuid.UUID
    dicom_key: str
    dicom_sha256: str
    priority: int
    traceparent: str = ""
    waited_seconds: float = 0.0

    @property
    def is_stat(self) -> bool:
        """Whether it is of a stat study."""
        return self.priority == Priority.STAT


@dataclass(frozen=True)
class JobResult:
    """The model's output for a claimed job; `heatmap` has one byte per cell, row by row."""

    job: ClaimedJob
    category: str
    probability: float | None
    reason: Reason
    heatmap: bytes
    heatmap_rows: int
    heatmap_columns: int
    bacterial_probability: float | None = None
    correction: str = ""
    assessed_as: str = ""


def claim(
    worker: str, limit: int, *, busy: bool = False, stat_only: bool = False
) -> list[ClaimedJob]:
    """Lease up to `limit` queued jobs to the worker, most urgent first, and commit.

    Counts the attempt. A job that failed before is claimed alone, and not while the worker is
    `busy` with others, because it may crash the process and take them with it. A draining worker
    gets nothing, as does one of a release that the database is too new for, and nobody gets what is
    paused. With `stat_only`, nobody gets anything that is less urgent either.
    """
    parameters: dict[str, Any] = {
        "worker": worker,
        "limit": limit,
        "busy": busy,
        "lease": _lease(),
        "priorities": [Priority.STAT.value] if stat_only else Priority.values,
        "protocol": PROTOCOL,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, parameters)
        return [ClaimedJob(*row) for row in cursor.fetchall()]


def extend_leases(worker: str, jobs: Sequence[ClaimedJob]) -> None:
    """Renew the leases of jobs that the worker is still processing."""
    _held_by(worker, jobs).update(leased_until=Now() + _lease())


@transaction.atomic
def write_back(
    worker: str, device: str, model_version: ModelVersion, results: Sequence[JobResult]
) -> int:
    """Store the results of a batch, all or none, and close their jobs.

    Results of jobs that the worker no longer holds are discarded. Returns how many were stored.
    """
    held = _lock([result.job for result in results], worker)
    results = [result for result in results if result.job.id in held]
    if not results:
        return 0
    radiograph_ids = [result.job.radiograph_id for result in results]
    study_ids = {job.radiograph.study_id for job in held.values()}
    locked = lock_studies(study_ids)
    # With the studies locked, so that a later result of a study has a later time on any machine.
    now = clock()
    known = load_known_facts(radiograph_ids)
    judged = {
        each.job.radiograph_id: judge(
            model_version.population, known[each.job.radiograph_id], each.assessed_as
        )
        for each in results
    }
    results = [_kept(each, judged[each.job.radiograph_id]) for each in results]
    by_outcome: dict[tuple[JobState, str, str], list[JobResult]] = defaultdict(list)
    for result in results:
        refused = result.category == Category.NOT_ASSESSABLE
        state = JobState.REFUSED if refused else JobState.DONE
        by_outcome[state, result.reason.code, repr(result.reason.params)].append(result)
    for (state, _, _), alike in by_outcome.items():
        reason = alike[0].reason
        Job.objects.filter(pk__in=[result.job.id for result in alike]).update(
            state=state,
            reason_code=reason.code,
            reason_params=reason.params,
            leased_until=None,
            finished_at=now,
        )
    Prediction.objects.filter(radiograph__in=radiograph_ids, is_current=True).update(
        is_current=False
    )
    Prediction.objects.bulk_create(
        Prediction(
            radiograph_id=result.job.radiograph_id,
            job_id=result.job.id,
            model_version=model_version,
            category=result.category,
            probability=result.probability,
            reason_code=result.reason.code,
            reason_params=result.reason.params,
            bacterial_probability=result.bacterial_probability,
            correction=result.correction,
            assessed_as=result.assessed_as,
            purpose=judged[result.job.radiograph_id].purpose,
            purpose_reasons=judged[result.job.radiograph_id].stored,
            heatmap=result.heatmap,
            heatmap_rows=result.heatmap_rows,
            heatmap_columns=result.heatmap_columns,
            worker=worker,
            device=device,
            created_at=now,
        )
        for result in results
    )
    refresh_locked(locked)
    Worker.objects.filter(pk=worker).update(finished_jobs=F("finished_jobs") + len(results))
    append_all(
        Event(
            Action.JOB_FINISHED,
            "job",
            result.job.id,
            held[result.job.id].radiograph.study_id,
            _answer(result)
            | _doubt(judged[result.job.radiograph_id])
            | {"model": model_version.version, "worker": worker},
        )
        for result in results
    )
    return len(results)


@transaction.atomic
def fail(worker: str, job: ClaimedJob, reason: Reason, *, is_final: bool = False) -> None:
    """Return a job to the queue after an error, or quarantine it.

    It is quarantined when its attempts are used up, or at once if the error `is_final`, so that
    retrying is pointless. Does nothing if the worker no longer holds the job.
    """
    for held in _lock([job], worker).values():
        _end_attempt(held, reason, is_final=is_final)
        hint_after_commit()


@transaction.atomic
def give_back(worker: str, jobs: Sequence[ClaimedJob]) -> None:
    """Return jobs that the worker claimed but did not start; the attempt does not count."""
    held = _lock(jobs, worker)
    if not held:
        return
    Job.objects.filter(pk__in=held).update(
        state=JobState.QUEUED, leased_until=None, worker="", attempt=F("attempt") - 1
    )
    hint_after_commit()
    append_all(
        Event(Action.JOB_RETURNED, "job", job.pk, job.radiograph.study_id, {"reason": "not_begun"})
        for job in held.values()
    )


def release_worker(worker: str) -> int:
    """Requeue the jobs held by the worker's previous process; returns how many.

    Called by a worker process that starts: its predecessor of the same name is dead.
    """
    return _end_lost(Q(worker=worker))


def expire_leases() -> int:
    """Requeue every job whose lease has expired; returns how many.

    A lease that ends later than any can has not been renewed since the clock was set back.
    An error in one row does not stop the others; the first error is raised at the end.
    """
    is_over = Q(leased_until__lt=Now()) | Q(leased_until__gt=Now() + _LONGEST_LEASE)
    return _end_lost(is_over)


def _answer(result: JobResult) -> dict[str, Any]:
    """Audit values of a result."""
    answer = {
        "category": result.category,
        "probability": result.probability,
        "bacterial_probability": result.bacterial_probability,
        "correction": result.correction,
        "assessed_as": result.assessed_as,
        "reason_code": result.reason.code,
        "heatmap_sha256": hashlib.sha256(result.heatmap).hexdigest(),
    }
    return {name: value for name, value in answer.items() if value not in (None, "")}


def _doubt(judgement: Judgement) -> dict[str, Any]:
    """Audit values of a result that is not clearly within its purpose."""
    is_plain = judgement.purpose == Purpose.WITHIN
    return {} if is_plain else {"purpose": judgement.purpose.value}


def _kept(result: JobResult, judgement: Judgement) -> JobResult:
    """Return the result as stored: without the model's output if that is withheld."""
    if judgement.purpose != Purpose.WITHHELD:
        return result
    reason = judgement.reasons[0]
    return replace(
        result,
        category=Category.NOT_ASSESSABLE,
        probability=None,
        bacterial_probability=None,
        reason=Reason(reason.code, dict(reason.values)),
        correction="",
        assessed_as="",
        heatmap=bytes(len(result.heatmap)),
    )


def _lease() -> timedelta:
    return timedelta(seconds=settings.INFERENCE_LEASE_SECONDS)


def _held_by(worker: str, jobs: Sequence[ClaimedJob]) -> QuerySet[Job]:
    """The jobs still running under this worker and attempt."""
    claims = Q(pk__in=[])
    for attempt in {job.attempt for job in jobs}:
        claims |= Q(attempt=attempt, pk__in=[job.id for job in jobs if job.attempt == attempt])
    return Job.objects.filter(claims, state=JobState.RUNNING, worker=worker)


def _lock(jobs: Sequence[ClaimedJob], worker: str) -> dict[uuid.UUID, Job]:
    """Lock the jobs that the worker still holds, in the order of their ids."""
    held = _held_by(worker, jobs).select_related("radiograph").order_by("pk")
    # Loading whole rows of jobs and radiographs would take a fifth of the write.
    needed = held.only("attempt", "worker", "radiograph__study")
    return {job.pk: job for job in needed.select_for_update(of=("self",))}


def _end_lost(condition: Q) -> int:
    """End the attempt of matching running jobs, each in its own transaction."""
    lost = Job.objects.filter(condition, state=JobState.RUNNING)
    ended, first_error = 0, None
    for job_id in list(lost.order_by("queued_at").values_list("pk", flat=True)):
        try:
            with transaction.atomic():
                # Re-check under the lock: the worker may have reported meanwhile.
                locked = lost.select_for_update(of=("self",)).select_related("radiograph")
                job = locked.filter(pk=job_id).first()
                if job is not None:
                    _end_attempt(job, Reason(WORKER_LOST, {"attempts": job.attempt}))
                    ended += 1
        except DatabaseError as error:
            logger.exception("Job %s could not be taken back", job_id)
            first_error = first_error or error
    if ended:
        hint_after_commit()
    if first_error is not None:
        raise first_error
    return ended


def _end_attempt(job: Job, reason: Reason, *, is_final: bool = False) -> None:
    """Return a locked, running job to the queue, or quarantine it; see `fail`."""
    job.leased_until = None
    job.reason_code, job.reason_params = reason.code, dict(reason.params)
    detail = {"reason": reason.code, "attempt": job.attempt, "worker": job.worker}
    if is_final or job.attempt >= settings.INFERENCE_MAX_ATTEMPTS:
        job.state, job.finished_at = JobState.QUARANTINED, clock()
        action = Action.JOB_QUARANTINED
    else:
        job.state, job.worker = JobState.QUEUED, ""
        action = Action.JOB_RETURNED
    job.save(
        update_fields=[
            "state",
            "worker",
            "leased_until",
            "finished_at",
            "reason_code",
            "reason_params",
        ]
    )
    if job.state == JobState.QUARANTINED:
        refresh_summaries([job.radiograph.study_id])
    append(Event(action, "job", job.pk, job.radiograph.study_id, detail))
