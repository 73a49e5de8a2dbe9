"""Real workers run a second version in shadow mode, with the live one undisturbed."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.workers.conftest import (
    MANY,
    UNHURRIED,
    CeleryProcess,
    enqueue_all,
    wait_until,
    wait_until_finished,
)
from tests.workers.test_stopping import copy_of_the_package
from webportal.accounts.models import User
from webportal.inference.models import Job, JobState, ModelVersion, Prediction
from webportal.inference.presence import heartbeat_seconds
from webportal.inference.registry import activate, register
from webportal.oversight.models import Shadow, ShadowResult
from webportal.oversight.shadow.planning import plan
from webportal.records.choices import Priority
from webportal.records.models import Radiograph, Study

Start = Callable[..., CeleryProcess]
MakeRadiographs = Callable[[int], list[Radiograph]]
BATCH = 8  # as in conftest.py


@pytest.fixture
def trial(model: ModelVersion, it_person: User, tmp_path: Path) -> Shadow:
    """The same network under another version, whose scores are shifted."""
    other = register(copy_of_the_package(tmp_path / "2099.2", offset=1.5), None)[0]
    now = timezone.now()
    return Shadow.objects.create(
        model_version=other,
        beside=model,
        share=100,
        started_at=now,
        planned_until=now,
        started_by=it_person,
        ends_at=now + timedelta(days=1),
    )


def done() -> int:
    return ShadowResult.objects.filter(state="done").count()


def live() -> dict[str, list[Any]]:
    """All that readers have of the model."""
    rows: dict[str, Any] = {
        "results": Prediction.objects.order_by("pk"),
        "jobs": Job.objects.order_by("pk"),
        "studies": Study.objects.order_by("pk"),
    }
    return {name: list(found.values()) for name, found in rows.items()}


def test_a_second_version_assesses_what_the_first_has_and_changes_nothing_of_it(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    enqueue_all(make_radiographs(12))
    worker = start()
    wait_until_finished(12)
    before = live()
    assert plan() == 12
    wait_until(lambda: done() == 12, "the shadow had assessed all")
    assert live() == before
    assert "Model 2099.2 runs in shadow mode" in worker.output()
    for result in ShadowResult.objects.select_related("prediction"):
        assert (result.probability is None) == (result.prediction.probability is None)
        if result.probability is not None:
            assert result.probability > (result.prediction.probability or 0)
    # The active version has stayed the one that is loaded for images.
    enqueue_all(make_radiographs(1))
    wait_until_finished(13)
    versions = set(Prediction.objects.values_list("model_version__version", flat=True))
    assert versions == {trial.beside.version}


def test_a_stat_image_waits_for_no_more_than_one_batch_of_the_shadow(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    enqueue_all(make_radiographs(MANY))
    start(app=UNHURRIED)
    wait_until_finished(MANY)
    plan()
    wait_until(lambda: done() >= BATCH, "the shadow had begun")
    before = done()
    (job,) = enqueue_all(make_radiographs(1))
    Job.objects.filter(pk=job.pk).update(priority=Priority.STAT)
    while not Job.objects.filter(pk=job.pk, state__in=[JobState.DONE, JobState.REFUSED]).exists():
        time.sleep(0.02)
    meanwhile = done() - before
    # One that was under way, and one that was taken just before the image arrived.
    assert meanwhile <= 2 * BATCH
    assert ShadowResult.objects.filter(state="waiting").exists()
    wait_until(lambda: done() == MANY, "the shadow went on")


def test_a_version_that_cannot_be_loaded_harms_nobody(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    for network in Path(trial.model_version.package_path).glob("*.onnx"):
        network.write_bytes(b"no network")
    start()
    enqueue_all(make_radiographs(3))
    wait_until_finished(3)
    plan()

    def is_noted() -> bool:
        trial.refresh_from_db()
        return trial.cannot_load == "a@test"

    wait_until(is_noted, "it was noted")
    enqueue_all(make_radiographs(3))
    wait_until_finished(6)
    assert done() == 0


def test_a_version_that_kills_what_loads_it_is_not_loaded_again_at_once(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    worker = start(app="tests.workers.dying_shadow")
    enqueue_all(make_radiographs(3))
    wait_until_finished(3)
    first = worker.child().pid
    plan()

    def is_counted() -> bool:
        trial.refresh_from_db()
        return trial.lost_batches == 1

    wait_until(is_counted, "the death was counted")
    worker.wait_until_ready()
    second = worker.child().pid
    assert second != first
    # Longer than the interval at which it looks for images of the trial.
    time.sleep(heartbeat_seconds() + 2)
    enqueue_all(make_radiographs(3))
    wait_until_finished(6)
    assert worker.child().pid == second
    assert is_counted()
    assert sorted(ShadowResult.objects.values_list("state", "reason_code")) == [
        ("failed", "worker_lost_loading"),
        *[("waiting", "")] * 2,
    ]


def test_an_answer_that_the_database_refuses_is_no_death(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    enqueue_all(make_radiographs(8))
    start()
    wait_until_finished(8)
    with refusing("check_violation", "new.id % 4 = 0"):
        plan()
        wait_until(lambda: done() == 6, "the others were stored")
        refused = ShadowResult.objects.filter(state="failed", reason_code="result_refused")
        wait_until(lambda: refused.count() == 2, "the refused ones had failed")
    trial.refresh_from_db()
    assert trial.lost_batches == 0


def test_what_could_not_be_stored_is_tried_again(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    enqueue_all(make_radiographs(8))
    worker = start()
    wait_until_finished(8)
    with refusing("too_many_connections", "true"):
        plan()
        wait_until(
            lambda: "in shadow mode failed" in worker.log.read_text(), "the worker had given up"
        )
    wait_until(lambda: done() == 8, "all were stored")
    trial.refresh_from_db()
    assert trial.lost_batches == 0


@contextmanager
def refusing(error: str, ids: str) -> Iterator[None]:
    """Let the database refuse the answers of some images."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF new.state = 'done' AND {ids} THEN RAISE {error}; END IF; RETURN new; END $$;"
            "CREATE TRIGGER refuse BEFORE UPDATE ON oversight_shadowresult"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")


def test_a_killed_worker_costs_one_batch_of_the_shadow_and_nothing_else(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    enqueue_all(make_radiographs(MANY))
    worker = start(app=UNHURRIED)
    wait_until_finished(MANY)
    plan()
    wait_until(lambda: done() > 0, "the shadow had begun")
    running = ShadowResult.objects.filter(state="running")
    wait_until(running.exists, "a batch was under way")
    worker.kill()
    lost = running.count()
    again = start()
    again.wait_until_ready()
    wait_until(lambda: done() == MANY - lost, "the others were assessed")
    assert ShadowResult.objects.filter(state="failed", reason_code="worker_lost").count() == lost
    trial.refresh_from_db()
    assert trial.lost_batches == (1 if lost else 0)


def test_the_network_is_unloaded_and_the_trial_ends_when_another_version_is_activated(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    enqueue_all(make_radiographs(8))
    worker = start()
    wait_until_finished(8)
    plan()
    wait_until(lambda: done() == 8, "the shadow had assessed all")
    with_both = worker.child().memory_info().rss
    activate(trial.model_version, None)
    enqueue_all(make_radiographs(1))
    wait_until_finished(9)
    assert Prediction.objects.filter(model_version=trial.model_version).count() == 1
    plan()
    trial.refresh_from_db()
    assert trial.end == "activated"
    wait_until(
        lambda: worker.child().memory_info().rss < with_both, "the second network was unloaded"
    )


def test_an_error_that_repeats_is_tried_at_growing_intervals_and_shown(
    start: Start, trial: Shadow, make_radiographs: MakeRadiographs
) -> None:
    enqueue_all(make_radiographs(3))
    worker = start(app="tests.workers.faulty_shadow")
    wait_until_finished(3)
    plan()

    def pauses() -> list[float]:
        said = r"Working in shadow mode failed; trying again in ([\d.]+) s"
        return [float(found) for found in re.findall(said, worker.log.read_text())]

    wait_until(lambda: len(pauses()) >= 4, "it was tried four times")
    for pause, longest in zip(pauses(), (1, 2, 4, 8), strict=False):
        assert 0.6 * longest <= pause <= longest
    trial.refresh_from_db()
    assert trial.failing == "a@test"
    worker.stop()
    start()
    wait_until(lambda: done() == 3, "another process went on")
    trial.refresh_from_db()
    assert trial.failing == ""
