"""Which images a trial has, when workers take them, and how it ends."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import (
    make_job,
    make_model_version,
    make_prediction,
    make_radiograph,
    make_study,
    make_worker,
)
from tests.helpers import audit_actions
from tests.oversight.cases import make_answer, make_shadow
from webportal.accounts.models import User
from webportal.erasure import plan as erasures
from webportal.inference import pauses
from webportal.inference.models import ModelVersion, Prediction
from webportal.oversight.models import Shadow, ShadowResult, ShadowState
from webportal.oversight.shadow.planning import plan
from webportal.oversight.shadow.work import (
    MOST_LOST_BATCHES,
    ShadowAnswer,
    begin_loading,
    give_back,
    has_died_loading,
    record,
    release,
    running_shadow,
    take,
)
from webportal.records.choices import Category, Priority, Purpose

pytestmark = pytest.mark.django_db


@pytest.fixture
def shadow(it_person: User) -> Shadow:
    return make_shadow(it_person)


def planned() -> set[object]:
    return set(ShadowResult.objects.values_list("prediction", flat=True))


def states() -> list[str]:
    return sorted(ShadowResult.objects.values_list("state", flat=True))


def test_new_results_of_the_active_version_are_added_once(shadow: Shadow) -> None:
    found = [make_prediction(), make_prediction(category=Category.NOT_ASSESSABLE)]
    before = make_prediction()
    before.job.finished_at = shadow.started_at - timedelta(minutes=1)
    before.job.save()
    make_prediction(model_version=shadow.model_version)
    for purpose in (Purpose.OUTSIDE, Purpose.WITHHELD):
        Prediction.objects.filter(pk=make_prediction().pk).update(purpose=purpose)
    assert (plan(), plan()) == (2, 0)
    assert planned() == {each.pk for each in found}
    later = make_prediction()
    # Assessed again by the same version: it is the same image.
    make_prediction(found[0].radiograph)
    assert plan() == 1
    assert planned() == {later.pk, *(each.pk for each in found)}


def test_a_restart_clears_what_was_recorded_of_a_worker(shadow: Shadow) -> None:
    Shadow.objects.update(failing="gpu-7", cannot_load="gpu-8")
    release("gpu-9")
    shadow.refresh_from_db()
    assert (shadow.failing, shadow.cannot_load) == ("gpu-7", "gpu-8")
    release("gpu-7")
    release("gpu-8")
    shadow.refresh_from_db()
    assert (shadow.failing, shadow.cannot_load) == ("", "")


def test_a_result_that_was_committed_late_is_not_missed(shadow: Shadow) -> None:
    plan()
    late = make_prediction()
    late.job.finished_at = timezone.now() - timedelta(minutes=5)
    late.job.save()
    assert plan() == 1


def test_a_share_of_the_studies_is_taken_with_all_their_images(it_person: User) -> None:
    shadow = make_shadow(it_person, share=30)
    for _ in range(60):
        study = make_study()
        for _ in range(2):
            make_prediction(make_radiograph(study))
    plan()
    taken = list(ShadowResult.objects.values_list("radiograph__study", flat=True))
    assert len(taken) == 2 * len(set(taken))
    assert 6 <= len(set(taken)) <= 32  # 30 % of 60 give or take four standard errors
    assert shadow.share == 30


def test_it_is_taken_only_when_nothing_else_waits(shadow: Shadow, it_person: User) -> None:
    make_prediction()
    plan()
    make_worker("a", is_draining=True)
    assert take(shadow, "a", 8) == []
    job = make_job()
    assert take(shadow, "b", 8) == []
    # What is paused does not wait for a worker; a pause of everything is one of this, too.
    pauses.pause(Priority(job.priority), it_person)
    pauses.pause(None, it_person)
    assert take(shadow, "b", 8) == []
    pauses.resume(None, it_person)
    assert len(take(shadow, "b", 8)) == 1
    assert take(shadow, "c", 8) == []


def test_answers_are_stored_and_those_of_others_are_not(shadow: Shadow) -> None:
    for _ in range(3):
        make_prediction()
    plan()
    first, second, third = take(shadow, "a", 8)
    answers = {
        first.id: ShadowAnswer("likely", 0.9),
        second.id: ShadowAnswer("not_assessable", None, "rotated"),
        third.id: ShadowAnswer(failure="not_an_image"),
    }
    assert record("b", answers) == 0
    assert record("a", answers) == 3
    found = ShadowResult.objects.order_by("pk").values_list(
        "state", "category", "probability", "reason_code"
    )
    assert list(found) == [
        ("done", "likely", 0.9, ""),
        ("done", "not_assessable", None, "rotated"),
        ("failed", "", None, "not_an_image"),
    ]
    assert record("a", answers) == 0


def test_what_a_stopped_worker_had_begun_waits_again(shadow: Shadow) -> None:
    make_prediction()
    plan()
    (image,) = take(shadow, "a", 8)
    give_back("a")
    assert states() == ["waiting"]
    assert record("a", {image.id: ShadowAnswer("likely", 0.9)}) == 0
    assert len(take(shadow, "b", 8)) == 1


def test_what_a_dead_worker_had_begun_is_never_tried_again(shadow: Shadow) -> None:
    for _ in range(2):
        make_prediction()
    plan()
    take(shadow, "a", 1)
    take(shadow, "b", 1)
    release("a")
    assert states() == ["failed", "running"]
    past = timezone.now() - timedelta(seconds=1)
    ShadowResult.objects.filter(worker="b", state="running").update(leased_until=past)
    plan()
    assert states() == ["failed", "failed"]
    shadow.refresh_from_db()
    assert shadow.lost_batches == 2
    assert take(shadow, "c", 8) == []


def test_a_version_of_which_workers_die_is_stopped(shadow: Shadow) -> None:
    for _ in range(MOST_LOST_BATCHES + 1):
        make_prediction()
    plan()
    for _ in range(MOST_LOST_BATCHES):
        assert running_shadow() == shadow
        take(shadow, "a", 1)
        release("a")
    plan()
    assert running_shadow() is None
    shadow.refresh_from_db()
    assert shadow.end == "workers_lost"
    assert states() == ["failed"] * MOST_LOST_BATCHES


def test_a_version_of_which_workers_die_while_they_load_it_is_stopped(shadow: Shadow) -> None:
    for _ in range(MOST_LOST_BATCHES + 1):
        make_prediction()
    plan()
    for _ in range(MOST_LOST_BATCHES):
        assert running_shadow() == shadow
        assert begin_loading(shadow, "a")
        release("a")
    assert has_died_loading(shadow, "a")
    assert not has_died_loading(shadow, "b")
    # At once for workers, and for good with the scheduler's next look.
    assert running_shadow() is None
    plan()
    shadow.refresh_from_db()
    assert shadow.end == "workers_lost"


def test_what_was_held_while_the_version_was_loaded_waits_again(shadow: Shadow) -> None:
    make_prediction()
    plan()
    assert begin_loading(shadow, "a")
    assert not begin_loading(shadow, "b")
    give_back("a")
    take(shadow, "a", 8)
    release("a")
    # It died of the image, then, and not while loading.
    assert not has_died_loading(shadow, "a")
    assert ShadowResult.objects.get().reason_code == "worker_lost"


def activate_another(shadow: Shadow) -> None:
    ModelVersion.objects.filter(pk=shadow.beside_id).update(is_active=False)
    make_model_version("test-3", is_active=True)


def let_its_time_pass(shadow: Shadow) -> None:
    Shadow.objects.update(ends_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("happens", "reason"), [(activate_another, "activated"), (let_its_time_pass, "over")]
)
def test_it_ends_by_itself(shadow: Shadow, happens: Callable[[Shadow], None], reason: str) -> None:
    make_answer(shadow, 0.9)
    make_prediction()
    plan()
    happens(shadow)
    # At once for workers, and for good with the scheduler's next look.
    assert running_shadow() is None
    assert plan() == 0
    shadow.refresh_from_db()
    assert (shadow.end, shadow.ended_by) == (reason, None)
    assert states() == [ShadowState.DONE]
    assert audit_actions(object_id=str(shadow.pk)) == ["shadow.ended"]
    # Going back to the version does not resume it.
    ModelVersion.objects.update(is_active=False)
    ModelVersion.objects.filter(pk=shadow.beside_id).update(is_active=True)
    assert running_shadow() is None


def test_its_results_go_with_an_erased_patient(shadow: Shadow) -> None:
    answer, other = make_answer(shadow, 0.9), make_answer(shadow, 0.1)
    patient = answer.radiograph.study.patient
    assert erasures.of_patient(patient).rows[ShadowResult] == {answer.pk}
    assert other.pk not in erasures.of_patient(patient).rows[ShadowResult]
