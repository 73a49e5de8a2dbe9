"""Whatever process dies during many jobs, every image ends with exactly one current result."""

from collections.abc import Callable

from tests import services
from tests.workers.conftest import (
    MANY,
    UNHURRIED,
    CeleryProcess,
    assert_one_result_each,
    enqueue_all,
    finished_count,
    start_scheduler,
    store,
    wait_until,
    wait_until_finished,
    wipe_broker,
)
from webportal.audit.verification import verify
from webportal.inference.models import Job, JobState, ModelVersion, Prediction
from webportal.records.models import Radiograph

Start = Callable[..., CeleryProcess]
MakeRadiographs = Callable[[int], list[Radiograph]]


def in_the_middle() -> None:
    wait_until(lambda: finished_count() > 0, "the first batch was finished")
    assert finished_count() < MANY


def test_a_killed_worker_loses_no_image(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(MANY)
    enqueue_all(radiographs)
    start_scheduler(start)
    # Under another name than its successor, so that only its leases tell that it is dead.
    worker = start("a@test", app=UNHURRIED)
    in_the_middle()
    worker.kill()
    start("b@test")
    wait_until_finished(MANY)
    assert_one_result_each(radiographs)
    assert verify().intact


def test_a_killed_child_is_replaced_and_loses_no_image(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(MANY)
    worker = start(app=UNHURRIED)
    worker.wait_until_ready()
    enqueue_all(radiographs)
    in_the_middle()
    worker.child().kill()
    # No scheduler runs: the new process itself takes back what the former one held.
    wait_until_finished(MANY)
    assert_one_result_each(radiographs)


def test_a_wiped_broker_loses_no_image(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(MANY)
    start_scheduler(start)
    start(app=UNHURRIED).wait_until_ready()
    enqueue_all(radiographs[: MANY // 2])
    in_the_middle()
    enqueue_all(radiographs[MANY // 2 :])
    wipe_broker()
    wait_until_finished(MANY)
    assert_one_result_each(radiographs)


def test_a_broker_outage_loses_no_image(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(MANY)
    start_scheduler(start)
    start(app=UNHURRIED).wait_until_ready()
    enqueue_all(radiographs[: MANY // 2])
    in_the_middle()
    services.valkey.kill()
    # Their hints are lost for good.
    enqueue_all(radiographs[MANY // 2 :])
    services.valkey.start()
    wipe_broker()
    wait_until_finished(MANY)
    assert_one_result_each(radiographs)


def test_a_worker_continues_while_the_broker_is_unavailable(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(40)
    start().wait_until_ready()
    services.valkey.kill()
    try:
        enqueue_all(radiographs)
        wait_until_finished(40)
    finally:
        services.valkey.start()
    assert_one_result_each(radiographs)


def test_a_database_outage_loses_no_image(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(MANY)
    start_scheduler(start)
    start(app=UNHURRIED).wait_until_ready()
    enqueue_all(radiographs)
    in_the_middle()
    # Ends every session at once, but loses no commit: the tests' database writes them out late.
    services.postgres.stop()
    services.postgres.start()
    wait_until_finished(MANY)
    assert_one_result_each(radiographs)
    assert verify().intact


def test_a_file_that_kills_its_process_affects_no_other_file(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    radiographs = make_radiographs(40)
    deadly = store(b"KILL")
    enqueue_all([*radiographs[:20], deadly, *radiographs[20:]])
    start_scheduler(start)
    start(app="tests.workers.deadly")
    wait_until(
        lambda: not Job.objects.filter(state__in=["queued", "running"]).exists(),
        "no job was left",
    )
    job = Job.objects.get(radiograph=deadly)
    assert (job.state, job.attempt, job.reason_code) == (JobState.QUARANTINED, 3, "worker_lost")
    results = Prediction.objects.values_list("radiograph", "is_current")
    assert sorted(results) == sorted((radiograph.pk, True) for radiograph in radiographs)
