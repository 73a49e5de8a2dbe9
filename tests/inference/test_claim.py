"""Claiming: which worker gets which jobs, and that no two ever get the same."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone

from tests.factories import make_study
from tests.inference.cases import claim_one, make_radiograph, make_user, queued
from webportal.inference.claims import ClaimedJob, claim, extend_leases, fail, give_back
from webportal.inference.models import Job, JobState, Worker
from webportal.inference.queue import enqueue
from webportal.reasons import Reason
from webportal.records.choices import Priority

pytestmark = pytest.mark.django_db


def ids(jobs: list[ClaimedJob]) -> set[object]:
    return {job.id for job in jobs}


def test_a_claim_leases_the_jobs_and_counts_the_attempt() -> None:
    (job,) = queued()
    (claimed,) = claim("a", 32)
    job.refresh_from_db()
    assert (claimed.id, claimed.attempt, claimed.dicom_key) == (
        job.pk,
        1,
        job.radiograph.dicom_key,
    )
    assert (job.state, job.worker, job.attempt) == (JobState.RUNNING, "a", 1)
    assert job.leased_until is not None
    assert job.leased_until > timezone.now()
    assert job.started_at is not None


def test_the_most_urgent_come_first_and_then_the_oldest() -> None:
    routine = queued(2)
    urgent = queued(2, Priority.URGENT)
    stat = queued(1, Priority.STAT)
    order = [claim_one().id for _ in range(5)]
    assert order == [job.pk for job in (*stat, *urgent, *routine)]


def test_a_claim_of_stat_images_alone_takes_nothing_else() -> None:
    routine = queued(2)
    assert claim("a", 32, stat_only=True) == []
    stat = queued(3, Priority.STAT)
    claimed = claim("a", 2, stat_only=True)
    assert [(job.id, job.is_stat) for job in claimed] == [(job.pk, True) for job in stat[:2]]
    rest = claim("a", 32)
    assert ids(rest) == {job.pk for job in (stat[2], *routine)}
    assert sum(job.is_stat for job in rest) == 1


def test_a_busy_worker_is_not_given_a_stat_job_that_failed_before() -> None:
    queued(1, Priority.STAT)
    fail("a", claim_one(), Reason("error", {"text": "It failed."}))
    assert claim("a", 32, busy=True, stat_only=True) == []
    assert len(claim("a", 32)) == 1


def test_a_claim_never_exceeds_its_limit() -> None:
    queued(5)
    assert [len(claim("a", 3)), len(claim("a", 3)), len(claim("a", 3))] == [3, 2, 0]


def test_a_job_that_failed_before_is_claimed_alone() -> None:
    first, *others = queued(4)
    fail("a", claim_one(), Reason("error", {"text": "It failed."}))
    assert ids(claim("b", 32)) == {first.pk}
    assert ids(claim("b", 32)) == {job.pk for job in others}


def test_jobs_ahead_of_a_failed_one_are_claimed_without_it() -> None:
    jobs = queued(3)
    claimed = claim("a", 3)
    last = next(job for job in claimed if job.id == jobs[2].pk)
    give_back("a", [job for job in claimed if job is not last])
    fail("a", last, Reason("error", {"text": "It failed."}))
    assert ids(claim("b", 32)) == {job.pk for job in jobs[:2]}
    assert ids(claim("b", 32)) == {last.id}


def test_a_busy_worker_is_not_given_a_job_that_failed_before() -> None:
    queued(2)
    failed = claim_one()
    fail("a", failed, Reason("error", {"text": "It failed."}))
    assert claim("a", 32, busy=True) == []
    assert ids(claim("a", 32)) == {failed.id}
    assert len(claim("a", 32, busy=True)) == 1


def test_a_draining_worker_is_given_nothing() -> None:
    queued()
    now = timezone.now()
    Worker.objects.create(name="a", is_draining=True, started_at=now, last_seen_at=now)
    assert claim("a", 32) == []
    assert len(claim("b", 32)) == 1


def test_jobs_given_back_lose_no_attempt() -> None:
    (job,) = queued()
    give_back("a", [claim_one()])
    job.refresh_from_db()
    assert (job.state, job.attempt, job.leased_until) == (JobState.QUEUED, 0, None)
    assert claim_one().attempt == 1


def test_a_lease_is_renewed_only_for_the_worker_that_holds_it() -> None:
    (job,) = queued()
    claimed = claim_one("a")
    before = Job.objects.get(pk=job.pk).leased_until
    extend_leases("b", [claimed])
    assert Job.objects.get(pk=job.pk).leased_until == before


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed() -> None:
    (job,) = queued()
    claimed = claim_one("a")
    before = Job.objects.get(pk=job.pk).leased_until
    extend_leases("a", [claimed])
    after = Job.objects.get(pk=job.pk).leased_until
    assert before is not None
    assert after is not None
    assert after > before


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_never_share_a_job() -> None:
    study, user = make_study(), make_user()
    jobs = [enqueue(make_radiograph(study), user) for _ in range(120)]

    def claim_until_empty(worker: str) -> list[object]:
        mine: list[object] = []
        try:
            while Job.objects.filter(state=JobState.QUEUED).exists():
                mine += [job.id for job in claim(worker, 3)]
        finally:
            connections.close_all()
        return mine

    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(claim_until_empty, "abcdefgh"))
    every_claim = [job_id for one in claimed for job_id in one]
    assert sorted(map(str, every_claim)) == sorted(str(job.pk) for job in jobs)
    assert sum(bool(one) for one in claimed) > 1
