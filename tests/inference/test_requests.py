"""User requests to the queue: an inference, a rerun, or a cancellation."""

import pytest

from tests.factories import (
    make_job,
    make_model_version,
    make_prediction,
    make_radiograph,
    make_study,
)
from tests.helpers import audit_actions
from tests.inference.cases import claim_one, likely, make_user, queued
from webportal.inference.claims import claim, fail, write_back
from webportal.inference.models import Job, JobState
from webportal.inference.queue import (
    QueueError,
    awaiting_release,
    cancel,
    enqueue,
    release_from_quarantine,
    rerun,
    rerun_outdated,
)
from webportal.reasons import Reason
from webportal.records.choices import ReadingState

pytestmark = pytest.mark.django_db


def test_requesting_twice_queues_once() -> None:
    (job,) = queued()
    assert enqueue(job.radiograph, make_user()) == job
    claim_one("a")
    assert enqueue(job.radiograph, make_user()) == job
    assert Job.objects.count() == 1


def test_a_queued_job_is_cancelled_and_never_claimed() -> None:
    (job,) = queued()
    assert cancel(job, make_user()).state == JobState.CANCELLED
    assert claim("a", 1) == []
    assert audit_actions(object_id=str(job.pk)) == ["job.queued", "job.cancelled"]


def test_a_running_or_closed_job_is_not_cancelled() -> None:
    (job,) = queued()
    claimed = claim_one("a")
    with pytest.raises(QueueError, match="worker is already processing this image"):
        cancel(job, make_user())
    write_back("a", "cpu:0", make_model_version(), [likely(claimed)])
    with pytest.raises(QueueError, match="closed"):
        cancel(job, make_user())


def test_a_quarantined_job_can_be_cancelled() -> None:
    (job,) = queued()
    fail("a", claim_one("a"), Reason("undecodable", {"text": "It cannot be read."}), is_final=True)
    assert awaiting_release().get() == job
    cancel(job, make_user())
    assert not awaiting_release().exists()
    assert audit_actions(object_id=str(job.pk))[-1] == "job.cancelled"


def test_a_finished_image_is_rerun_once_at_a_time() -> None:
    (job,) = queued()
    with pytest.raises(QueueError, match="in the queue already"):
        rerun(job.radiograph, make_user())
    write_back("a", "cpu:0", make_model_version(), [likely(claim_one("a"))])
    assert rerun(job.radiograph, make_user()).pk != job.pk
    with pytest.raises(QueueError, match="in the queue already"):
        rerun(job.radiograph, make_user())


def test_a_cancelled_job_does_not_block_a_new_one() -> None:
    (job,) = queued()
    cancel(job, make_user())
    assert enqueue(job.radiograph, make_user()).pk != job.pk


def test_no_image_of_a_prior_is_queued() -> None:
    study, by = make_study(reading_state=ReadingState.PRIOR), make_user()
    outdated = make_prediction(make_radiograph(study), model_version=make_model_version("old"))
    make_model_version("new", is_active=True)
    stuck = make_job(make_radiograph(study), JobState.QUARANTINED)
    for queue in (enqueue, rerun):
        with pytest.raises(QueueError, match="is a prior"):
            queue(outdated.radiograph, by)
    with pytest.raises(QueueError, match="is a prior"):
        rerun_outdated(study, by)
    with pytest.raises(QueueError, match="is a prior"):
        release_from_quarantine(stuck, by)
    assert not Job.objects.filter(state=JobState.QUEUED).exists()
    assert audit_actions() == []
