"""Writing back: a whole batch or nothing, once, and only by the worker that holds the job."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from tests.factories import make_model_version, make_study
from tests.helpers import audit_actions
from tests.inference.cases import (
    claim_one,
    likely,
    make_radiograph,
    make_user,
    not_assessable,
    queued,
    unlikely,
)
from webportal.inference.claims import claim, expire_leases, write_back
from webportal.inference.models import Job, JobState, Prediction, Worker
from webportal.inference.queue import enqueue, rerun
from webportal.records.choices import Category, Concern
from webportal.records.models import Study

pytestmark = pytest.mark.django_db


def expire(job_id: uuid.UUID) -> None:
    Job.objects.filter(pk=job_id).update(leased_until=timezone.now() - timedelta(days=1))


def test_a_batch_is_stored_and_its_jobs_are_closed() -> None:
    jobs, model, now = queued(3), make_model_version(), timezone.now()
    Worker.objects.create(name="a", started_at=now, last_seen_at=now)
    first, second, third = claim("a", 3)
    results = [likely(first), unlikely(second), not_assessable(third)]
    assert write_back("a", "cpu:0", model, results) == 3
    states = dict(Job.objects.values_list("pk", "state"))
    assert states == {first.id: "done", second.id: "done", third.id: "refused"}
    assert set(Prediction.objects.values_list("category", "worker", "device", "is_current")) == {
        ("likely", "a", "cpu:0", True),
        ("unlikely", "a", "cpu:0", True),
        ("not_assessable", "a", "cpu:0", True),
    }
    assert str(Job.objects.get(pk=third.id).reason) == "Blank."
    assert Worker.objects.get().finished_jobs == 3
    for job in jobs:
        assert audit_actions(object_id=str(job.pk)) == ["job.queued", "job.finished"]


def test_a_late_write_changes_nothing() -> None:
    queued()
    model = make_model_version()
    late = claim_one("a")
    expire(late.id)
    assert expire_leases() == 1
    current = claim_one("b")
    assert write_back("a", "cpu:0", model, [likely(late)]) == 0
    assert not Prediction.objects.exists()
    assert write_back("b", "cpu:0", model, [unlikely(current)]) == 1
    assert write_back("a", "cpu:0", model, [likely(late)]) == 0
    assert Prediction.objects.get().category == "unlikely"


def test_a_late_write_under_the_same_name_changes_nothing() -> None:
    queued()
    late = claim_one("a")
    expire(late.id)
    expire_leases()
    assert claim_one("a").attempt == 2
    assert write_back("a", "cpu:0", make_model_version(), [likely(late)]) == 0


def test_a_result_written_twice_is_stored_once() -> None:
    queued()
    result = likely(claim_one("a"))
    model = make_model_version()
    assert write_back("a", "cpu:0", model, [result]) == 1
    assert write_back("a", "cpu:0", model, [result]) == 0


def test_a_batch_with_an_impossible_result_is_not_stored_at_all() -> None:
    queued(2)
    first, second = claim("a", 2)
    with pytest.raises(IntegrityError):
        write_back(
            "a", "cpu:0", make_model_version(), [likely(first), likely(second, float("nan"))]
        )


def test_a_rerun_replaces_the_current_result_and_keeps_the_earlier_one() -> None:
    (job,) = queued()
    write_back("a", "cpu:0", make_model_version("1"), [likely(claim_one("a"))])
    rerun(job.radiograph, make_user())
    newer = make_model_version("2")
    write_back("a", "cpu:0", newer, [unlikely(claim_one("a"))])
    history = Prediction.objects.order_by("created_at").values_list("category", "is_current")
    assert list(history) == [("likely", False), ("unlikely", True)]
    assert Study.objects.get().concern == Concern.UNLIKELY


def test_a_study_ranks_by_its_worst_radiograph() -> None:
    study, user, model = make_study(), make_user(), make_model_version()
    for _ in range(4):
        enqueue(make_radiograph(study), user)
    mild, blank, bad, worst = claim("a", 4)

    def standing() -> tuple[object, ...]:
        return Study.objects.values_list("concern", "category", "probability").get()

    assert standing() == (Concern.NO_RESULT, "", None)
    write_back("a", "cpu:0", model, [unlikely(mild, 0.2)])
    assert standing() == (Concern.UNLIKELY, Category.UNLIKELY, 0.2)
    write_back("a", "cpu:0", model, [not_assessable(blank)])
    assert standing() == (Concern.NOT_ASSESSABLE, Category.NOT_ASSESSABLE, None)
    write_back("a", "cpu:0", model, [likely(bad, 0.7), likely(worst, 0.95)])
    assert standing() == (Concern.LIKELY, Category.LIKELY, 0.95)


def test_only_the_studies_of_the_batch_are_touched() -> None:
    queued(2)
    write_back("a", "cpu:0", make_model_version(), [likely(claim_one("a"))])
    assert sorted(Study.objects.values_list("concern", flat=True)) == [
        Concern.LIKELY,
        Concern.NO_RESULT,
    ]
    assert Job.objects.filter(state=JobState.QUEUED).count() == 1
