"""Failures: retried, quarantined with the reason, and never blocking anything else."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from tests.factories import make_model_version
from tests.helpers import audit_actions
from tests.inference.cases import claim_one, likely, make_radiograph, make_user, queued, unlikely
from webportal.inference import claims
from webportal.inference.claims import claim, expire_leases, fail, release_worker, write_back
from webportal.inference.models import Job, JobState
from webportal.inference.queue import (
    QueueError,
    awaiting_release,
    cancel,
    enqueue,
    overdue,
    release_from_quarantine,
)
from webportal.reasons import Reason
from webportal.records.choices import Category, Concern
from webportal.records.models import Study

pytestmark = pytest.mark.django_db


def expire_all() -> None:
    Job.objects.filter(state=JobState.RUNNING).update(
        leased_until=timezone.now() - timedelta(seconds=1)
    )


def test_an_expired_lease_returns_the_job_to_the_queue() -> None:
    (job,) = queued()
    claim_one("a")
    assert expire_leases() == 0
    expire_all()
    assert expire_leases() == 1
    job.refresh_from_db()
    assert (job.state, job.attempt, job.worker) == (JobState.QUEUED, 1, "")
    assert audit_actions(object_id=str(job.pk)) == ["job.queued", "job.returned"]


def test_a_lease_from_before_the_clock_was_set_back_has_expired() -> None:
    (job,) = queued()
    claim_one("a")
    Job.objects.update(leased_until=timezone.now() + timedelta(hours=1))
    assert expire_leases() == 1
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.QUEUED, 1)


def test_a_portal_whose_clock_is_ahead_does_not_make_jobs_look_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    queued()
    assert overdue(timedelta(0)).exists()


def test_a_job_whose_worker_dies_three_times_is_quarantined() -> None:
    (job,) = queued()
    for _ in range(3):
        claim_one("a")
        expire_all()
        expire_leases()
    job.refresh_from_db()
    assert (job.state, job.attempt, job.reason_code) == (JobState.QUARANTINED, 3, "worker_lost")
    assert "attempts: 3" in str(job.reason)
    assert job.finished_at is not None
    assert audit_actions(object_id=str(job.pk))[-1] == "job.quarantined"
    assert claim("a", 32) == []


def test_errors_lead_to_quarantine_with_the_last_reason() -> None:
    (job,) = queued()
    for attempt in range(3):
        fail("a", claim_one("a"), Reason("error", {"text": f"Reason {attempt}."}))
    job.refresh_from_db()
    assert (job.state, str(job.reason)) == (JobState.QUARANTINED, "Reason 2.")


def test_a_final_error_leads_to_quarantine_at_once() -> None:
    (job,) = queued()
    fail("a", claim_one("a"), Reason("truncated", {"text": "The file ends early."}), is_final=True)
    job.refresh_from_db()
    assert (job.state, job.attempt, job.reason_code) == (JobState.QUARANTINED, 1, "truncated")


def test_a_failure_reported_late_changes_nothing() -> None:
    (job,) = queued()
    late = claim_one("a")
    expire_all()
    expire_leases()
    claim_one("b")
    fail("a", late, Reason("error", {"text": "Late."}))
    job.refresh_from_db()
    assert (job.state, job.worker) == (JobState.RUNNING, "b")


def test_the_failure_reason_is_cleared_once_the_job_is_done() -> None:
    (job,) = queued()
    fail("a", claim_one("a"), Reason("error", {"text": "It failed."}))
    write_back("a", "cpu:0", make_model_version(), [likely(claim_one("a"))])
    job.refresh_from_db()
    assert (job.state, str(job.reason)) == (JobState.DONE, "")


def test_a_restarted_worker_releases_only_its_own_former_claims() -> None:
    queued(2)
    mine, other = claim_one("a"), claim_one("b")
    assert release_worker("a") == 1
    assert Job.objects.get(pk=mine.id).state == JobState.QUEUED
    assert Job.objects.get(pk=other.id).state == JobState.RUNNING


def test_one_job_that_cannot_be_requeued_does_not_block_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = queued(2)
    claim("a", 2)
    expire_all()
    end_attempt = claims._end_attempt

    def fail_for_the_first(job: Job, reason: Reason) -> None:
        if job.pk == first.pk:
            raise DatabaseError("a disk error, say")
        end_attempt(job, reason)

    monkeypatch.setattr(claims, "_end_attempt", fail_for_the_first)
    with pytest.raises(DatabaseError):
        expire_leases()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (JobState.RUNNING, JobState.QUEUED)


def test_a_quarantined_job_does_not_block_a_new_one() -> None:
    (job,) = queued()
    fail("a", claim_one("a"), Reason("error", {"text": "Broken."}), is_final=True)
    again = enqueue(job.radiograph, make_user())
    assert again.pk != job.pk
    assert claim_one("a").id == again.pk


def test_a_person_releases_a_job_from_quarantine_once() -> None:
    (job,) = queued()
    fail("a", claim_one("a"), Reason("error", {"text": "Broken."}), is_final=True)
    assert list(awaiting_release()) == [job]
    released = release_from_quarantine(job, make_user("it"))
    assert (released.state, released.attempt) == (JobState.QUEUED, 0)
    assert not awaiting_release().exists()
    assert audit_actions(object_id=str(job.pk))[-1] == "job.released"
    with pytest.raises(QueueError, match="released already"):
        release_from_quarantine(job, make_user("it"))


def test_jobs_waiting_too_long_are_overdue() -> None:
    (job,) = queued()
    assert not overdue(timedelta(seconds=60)).exists()
    Job.objects.update(queued_at=timezone.now() - timedelta(seconds=90))
    assert list(overdue(timedelta(seconds=60))) == [job]
    claim_one("a")
    assert not overdue(timedelta(seconds=60)).exists()


def standing() -> tuple[object, ...]:
    return Study.objects.values_list("concern", "category", "probability").get()


NEEDS_A_PERSON = (Concern.NOT_ASSESSABLE, Category.FAILED, None)


def test_a_study_with_a_failed_analysis_ranks_with_those_that_need_a_person() -> None:
    queued()
    fail("a", claim_one("a"), Reason("broken", {"text": "Broken."}), is_final=True)
    assert standing() == NEEDS_A_PERSON


def test_a_study_with_a_cancelled_analysis_ranks_there_too() -> None:
    (job,) = queued()
    cancel(job, make_user())
    assert standing() == NEEDS_A_PERSON


def test_an_unlikely_result_does_not_mask_another_images_failure() -> None:
    (job,) = queued()
    enqueue(make_radiograph(job.radiograph.study), make_user())
    one, other = claim("a", 2)
    write_back("a", "cpu:0", make_model_version(), [unlikely(one)])
    fail("a", other, Reason("broken", {"text": "Broken."}), is_final=True)
    assert standing() == NEEDS_A_PERSON


def test_a_likely_result_takes_precedence_over_another_images_failure() -> None:
    (job,) = queued()
    enqueue(make_radiograph(job.radiograph.study), make_user())
    one, other = claim("a", 2)
    fail("a", one, Reason("broken", {"text": "Broken."}), is_final=True)
    write_back("a", "cpu:0", make_model_version(), [likely(other)])
    assert standing()[:2] == (Concern.LIKELY, Category.LIKELY)


def test_a_result_after_a_release_clears_the_failure() -> None:
    (job,) = queued()
    fail("a", claim_one("a"), Reason("broken", {"text": "Broken."}), is_final=True)
    job.refresh_from_db()
    release_from_quarantine(job, make_user())
    write_back("a", "cpu:0", make_model_version(), [unlikely(claim_one("a"))])
    assert standing()[:2] == (Concern.UNLIKELY, Category.UNLIKELY)


def test_a_failed_rerun_leaves_the_existing_result() -> None:
    (job,) = queued()
    write_back("a", "cpu:0", make_model_version(), [unlikely(claim_one("a"))])
    enqueue(job.radiograph, make_user())
    fail("a", claim_one("a"), Reason("broken", {"text": "Broken."}), is_final=True)
    assert standing()[:2] == (Concern.UNLIKELY, Category.UNLIKELY)
