"""Workers are stopped, drained and resumed while working, without affecting any job."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from django.db.models import Max
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ml.serving.package import (
    FACTS_FILE,
    SHIPPED_PACKAGE,
    ModelPackage,
    load_package,
    seal_package,
)
from tests import services
from tests.workers.conftest import (
    MANY,
    UNHURRIED,
    CeleryProcess,
    assert_one_result_each,
    enqueue_all,
    finished_count,
    wait_until,
    wait_until_finished,
)
from webportal.accounts.models import User
from webportal.inference import fleet, pauses
from webportal.inference.models import Job, JobState, ModelVersion, Prediction, Worker
from webportal.inference.registry import activate, register
from webportal.records.choices import Priority
from webportal.records.models import Radiograph
from webportal.version import VERSION
from workers.app import app

Start = Callable[..., CeleryProcess]
MakeRadiographs = Callable[[int], list[Radiograph]]


def takes_hints(worker: str) -> bool:
    queues = app.control.inspect([worker], timeout=2).active_queues()
    return bool(queues and queues[worker])


def takes_hints_again(worker: str) -> bool:
    """Whether it takes hints, asked while the broker restarts."""
    try:
        return takes_hints(worker)
    except (OSError, OperationalError, RedisError):
        return False


def test_a_stopped_worker_gives_back_jobs_it_has_not_started(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(MANY)
    enqueue_all(radiographs)
    worker = start(app=UNHURRIED)
    wait_until(lambda: finished_count() > 0, "the first batch was finished")
    worker.stop()
    assert 0 < finished_count() < MANY
    assert not Job.objects.filter(state=JobState.RUNNING).exists()
    assert Job.objects.filter(state=JobState.QUEUED).aggregate(Max("attempt")) == {
        "attempt__max": 0
    }
    assert Worker.objects.get().stopped_at is not None


def test_a_draining_worker_claims_nothing_and_leaves_hints_to_others(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs, it_person: User
) -> None:
    start("a@test").wait_until_ready()
    worker = Worker.objects.get()
    fleet.drain(worker, it_person)
    wait_until(lambda: not takes_hints("a@test"), "the draining worker left hints alone")
    radiographs = make_radiographs(20)
    enqueue_all(radiographs)
    start("b@test")
    wait_until_finished(20)
    assert_one_result_each(radiographs)
    worker.refresh_from_db()
    assert worker.finished_jobs == 0


def test_a_resumed_worker_takes_jobs_again(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs, it_person: User
) -> None:
    start("a@test").wait_until_ready()
    worker = Worker.objects.get()
    fleet.drain(worker, it_person)
    wait_until(lambda: not takes_hints("a@test"), "the draining worker left hints alone")
    radiographs = make_radiographs(20)
    enqueue_all(radiographs)
    fleet.resume(worker, it_person)
    wait_until_finished(20)
    assert takes_hints("a@test")
    assert_one_result_each(radiographs)


def test_a_resumed_worker_still_receives_hints_after_a_broker_outage(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs, it_person: User
) -> None:
    radiographs = make_radiographs(1)
    start("a@test").wait_until_ready()
    worker = Worker.objects.get()
    fleet.drain(worker, it_person)
    wait_until(lambda: not takes_hints("a@test"), "the draining worker left hints alone")
    fleet.resume(worker, it_person)
    wait_until(lambda: takes_hints("a@test"), "the resumed worker took hints")
    services.valkey.kill()
    services.valkey.start()
    wait_until(lambda: takes_hints_again("a@test"), "the worker took hints again")
    enqueue_all(radiographs)
    wait_until_finished(1)
    assert_one_result_each(radiographs)


def test_an_unconfirmed_resume_command_is_repeated(
    start: Start, model: ModelVersion, it_person: User
) -> None:
    started = start("a@test")
    started.wait_until_ready()
    worker = Worker.objects.get()
    fleet.drain(worker, it_person)
    wait_until(lambda: not takes_hints("a@test"), "the draining worker left hints alone")
    # While its main process is not connected, the order goes to nobody.
    main = psutil.Process(started.process.pid)
    main.suspend()
    services.valkey.kill()
    services.valkey.start()
    fleet.resume(worker, it_person)
    wait_until(lambda: "trying again" in started.output(), "an order went unheard")
    main.resume()
    wait_until(lambda: takes_hints_again("a@test"), "the resumed worker took hints")


def test_a_paused_priority_waits_while_others_are_analysed_and_goes_on_when_resumed(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs, it_person: User
) -> None:
    pauses.pause(Priority.ROUTINE, it_person)
    radiographs = make_radiographs(24)
    jobs = enqueue_all(radiographs)
    urgent = [job.pk for job in jobs[:8]]
    Job.objects.filter(pk__in=urgent).update(priority=Priority.URGENT)
    worker = start()
    wait_until_finished(8)
    wait_until(
        lambda: not Job.objects.filter(state=JobState.RUNNING).exists(), "the worker was idle"
    )
    # Long enough for hints, the sweep's patience and the worker's own look at the queue.
    time.sleep(8)
    done = Job.objects.exclude(state=JobState.QUEUED).values_list("pk", flat=True)
    assert set(done) == set(urgent)
    assert "no hint arrives" not in worker.output()
    pauses.resume(Priority.ROUTINE, it_person)
    wait_until_finished(24)
    assert_one_result_each(radiographs)


def test_a_worker_told_to_stop_ends_with_nothing_lost_and_comes_back_drained(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs, it_person: User
) -> None:
    radiographs = make_radiographs(MANY)
    enqueue_all(radiographs)
    process = start("a@test", app=UNHURRIED)
    wait_until(lambda: finished_count() > 0, "the first batch was finished")
    fleet.stop(Worker.objects.get(), it_person)
    process.wait_until_ended()
    done = finished_count()
    assert not Job.objects.filter(state=JobState.RUNNING).exists()
    worker = Worker.objects.get()
    assert worker.stopped_at is not None
    assert "Hospital IT has told this worker to stop" in worker.log_tail
    # As by a service manager.
    start("a@test")
    again = Worker.objects.filter(stopped_at=None)
    wait_until(again.exists, "it was there again")
    worker = again.get()
    assert worker.is_draining
    assert worker.stop_requested_at is worker.stopped_at is None
    assert worker.host
    assert worker.program_version == VERSION
    time.sleep(5)
    assert finished_count() == done
    fleet.resume(worker, it_person)
    wait_until_finished(MANY)
    assert_one_result_each(radiographs)


def test_a_new_model_is_loaded_by_one_worker_after_the_other_while_both_work(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs, tmp_path: Path
) -> None:
    radiographs = make_radiographs(MANY)
    workers = [start(name, app=UNHURRIED) for name in ("a@test", "b@test")]
    for worker in workers:
        worker.wait_until_ready()
    enqueue_all(radiographs)
    wait_until(lambda: finished_count() > 0, "the first batch was finished")
    newer, _ = register(copy_of_the_package(tmp_path / "2099.1"), None)
    activate(newer, None)

    def is_everywhere() -> bool:
        assert Worker.objects.exclude(loading_since=None).count() <= 1
        return Worker.objects.filter(model_version=newer.version).count() == len(workers)

    # Also by one that has nothing more to do.
    wait_until(is_everywhere, "both workers ran the new model")
    wait_until_finished(MANY)
    assert_one_result_each(radiographs)
    versions = set(Prediction.objects.values_list("model_version__version", flat=True))
    assert model.version in versions <= {model.version, newer.version}


def copy_of_the_package(folder: Path, offset: float = 0.0) -> ModelPackage:
    """The package that ships under another version; `offset` shifts its log-odds."""
    shutil.copytree(SHIPPED_PACKAGE, folder)
    facts = json.loads((folder / FACTS_FILE).read_text())
    for said in (facts, facts.get("adult_stages")):
        if said:
            said["calibration"]["offset"] += offset
    (folder / FACTS_FILE).write_text(json.dumps(facts | {"version": folder.name}))
    seal_package(folder)
    return load_package(folder)
