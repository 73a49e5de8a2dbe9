"""A stat image does not wait behind what a worker has claimed ahead."""

from collections.abc import Callable

from tests.workers.conftest import (
    CeleryProcess,
    assert_one_result_each,
    enqueue_all,
    wait_until,
    wait_until_finished,
)
from webportal.audit.verification import verify
from webportal.inference.models import Job, JobState, ModelVersion
from webportal.records.choices import Priority
from webportal.records.models import Radiograph

BATCH = 8


def test_a_stat_image_waits_for_the_batch_on_the_device_and_for_no_other(
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    make_radiographs: Callable[[int], list[Radiograph]],
) -> None:
    radiographs = make_radiographs(3 * BATCH)
    enqueue_all(radiographs)
    start(app="tests.workers.waiting")
    running = Job.objects.filter(state=JobState.RUNNING)
    wait_until(lambda: running.count() == 2 * BATCH, "one batch was claimed ahead of another")
    [stat] = make_radiographs(1)
    stat.study.priority = Priority.STAT
    stat.study.save()
    enqueue_all([stat])
    wait_until_finished(3 * BATCH + 1)
    order = Job.objects.order_by("finished_at").values_list("priority", flat=True)
    assert list(order) == [
        *[Priority.ROUTINE] * BATCH,
        Priority.STAT,
        *[Priority.ROUTINE] * 2 * BATCH,
    ]
    assert_one_result_each([*radiographs, stat])
    assert verify().intact
