"""Load and speeds are read from the installation's own jobs."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.utils import timezone
from pydicom.uid import generate_uid
from pytest_django.fixtures import Settings

from tests.factories import make_job, make_radiograph, make_study, make_worker
from webportal.inference.models import Job, JobState
from webportal.inference.pacing import GATHER_SECONDS
from webportal.operations.capacity import measured
from webportal.operations.capacity.assumptions import FLAT, UploadPath
from webportal.operations.capacity.basis import (
    USUAL_SPEED,
    GivenAssumptions,
    NotMeasuredError,
    combine,
)
from webportal.operations.capacity.measured import LEAST_BATCHES, LEAST_IMAGES, fit, measure
from webportal.records.choices import Priority
from webportal.records.models import Radiograph, Study

pytestmark = pytest.mark.django_db


@pytest.fixture
def radiographs() -> list[Radiograph]:
    return [make_radiograph(make_study(priority=each)) for each in Priority]


def copies(radiograph: Radiograph, count: int, study: Study | None = None) -> list[Radiograph]:
    """Further radiographs, of that study or each of one of its own, without files."""
    studies = [study] * count if study else [make_study() for _ in range(count)]
    fields = {
        field.attname: getattr(radiograph, field.attname)
        for field in Radiograph._meta.concrete_fields
        if field.name not in ("id", "study")
    }
    unique = ("original_sha256", "dicom_sha256")
    return Radiograph.objects.bulk_create(
        Radiograph(
            **fields
            | {"study": of, "sop_instance_uid": generate_uid()}
            | dict.fromkeys(unique, uuid.uuid4().hex * 2)
        )
        for of in studies
    )


def close(
    radiographs: Sequence[Radiograph],
    start: datetime,
    seconds: float,
    images: int = 1,
    *,
    queued: float = 0.0,
    worker: str = "gpu-1",
    attempt: int = 1,
    state: JobState = JobState.DONE,
) -> None:
    """A batch of so many images that a worker had for so long."""
    template = make_job(radiographs[0], state=JobState.DONE)
    Job.objects.bulk_create(
        Job(
            radiograph=(radiograph := radiographs[number % len(radiographs)]),
            study=radiograph.study,
            state=state,
            reason_code="worker_lost" if state == JobState.QUARANTINED else "",
            priority=radiograph.study.priority,
            attempt=attempt,
            worker=worker,
            queued_at=start - timedelta(seconds=queued),
            started_at=start,
            finished_at=start + timedelta(seconds=seconds),
            created_by=template.created_by,
        )
        for number in range(images)
    )
    template.delete()


def test_a_line_is_fitted_through_batches_of_every_size() -> None:
    random = np.random.default_rng(1)
    sizes = [1, 2, 5, 11, 32] * 40
    points = [(n, (0.05 + 0.01 * n) * float(random.gamma(25, 1 / 25))) for n in sizes]
    found = fit(points)
    assert found is not None
    assert found.fixed == pytest.approx(0.05, rel=0.1)
    assert found.per_image == pytest.approx(0.01, rel=0.1)
    assert found.spread == pytest.approx(0.2, abs=0.03)
    # A stall is no speed, and a clock that is ahead no time.
    stalled = fit([*points, (1, 900.0), (3, -1.0)])
    assert stalled is not None
    assert stalled.fixed == pytest.approx(found.fixed, rel=0.01)
    assert fit(points[: LEAST_BATCHES - 1]) is None
    of_one_size = fit([(8, 0.2)] * 30)
    assert of_one_size is not None
    assert of_one_size.seconds(8) == pytest.approx(0.2)


def test_no_rate_is_claimed_for_larger_batches_than_were_seen(
    radiographs: list[Radiograph],
) -> None:
    make_worker("gpu-1", device="CPU")
    now = timezone.now() - timedelta(hours=3)
    for number in range(LEAST_BATCHES + 3):
        close(radiographs, now + timedelta(seconds=60 * number), 0.033, queued=0.01)
    basis = combine(GivenAssumptions(100), measure())
    assert basis.assumptions.speed.images_per_second == pytest.approx(1 / 0.033, rel=0.01)
    assert any("Only batches of 1 image were seen" in fact for fact in basis.assumed)


def test_large_batches_that_happened_to_be_fast_are_not_free() -> None:
    falling = fit([(1, 0.11)] * 20 + [(2, 0.10)] * 20)
    assert falling is not None
    assert falling.seconds(32) == pytest.approx(32 * 4.2 / 60)
    # The line itself holds up to the largest size of several batches.
    rising = fit([(1, 0.06), (2, 0.07), (4, 0.09)] * 20 + [(32, 0.37)])
    assert rising is not None
    assert rising.seconds(4) == pytest.approx(0.09, rel=0.01)
    assert rising.seconds(32) == pytest.approx(8 * 0.09, rel=0.01)


def test_batches_alone_and_following_are_told_apart(radiographs: list[Radiograph]) -> None:
    make_worker("gpu-1", device="H200")
    now = timezone.now() - timedelta(hours=1)
    for number in range(LEAST_BATCHES + 3):
        start = now + timedelta(seconds=60 * number)
        # Alone, 50 ms after it was queued; the next claimed with it, and 2 s behind.
        close(radiographs, start, 5, queued=0.05)
        close(radiographs, start + timedelta(milliseconds=1), 6.999, 4, queued=0.01)
        # What had waited is claimed half a second after the result.
        close(radiographs, start + timedelta(seconds=7.5), 5, queued=3)
    (device,) = measure().devices
    assert device.name == "H200"
    speed = device.speed
    assert speed.alone.seconds(1) == pytest.approx(5)
    assert speed.following.seconds(4) == pytest.approx(2)
    assert speed.closing.seconds(4) == pytest.approx(0.5)
    assert speed.wake == pytest.approx(0.05)


def test_the_pause_in_which_images_are_gathered_is_no_work(radiographs: list[Radiograph]) -> None:
    make_worker("gpu-1", device="H200")
    now = timezone.now() - timedelta(hours=1)
    for number in range(LEAST_BATCHES + 3):
        start = now + timedelta(seconds=60 * number)
        close(radiographs, start, 0.03, queued=0.005)
        # Ten came in meanwhile, and are claimed 4 ms after the end of the pause.
        close(radiographs, start + timedelta(milliseconds=104), 0.146, 10, queued=0.09)
        # One came in before the result of these, and was claimed 4 ms after it.
        close(radiographs, start + timedelta(milliseconds=254), 0.03, queued=0.1)
        close(radiographs, start + timedelta(milliseconds=358), 0.03, queued=0.02)
    (device,) = measure().devices
    assert device.speed.gather == GATHER_SECONDS
    assert device.speed.wake == pytest.approx(0.005)
    # After one image as after ten.
    assert [device.speed.closing.seconds(size) for size in (1, 10)] == pytest.approx([0.004] * 2)


def test_a_batch_that_passes_another_has_the_device_to_itself(
    radiographs: list[Radiograph],
) -> None:
    make_worker("gpu-1", device="H200")
    now = timezone.now() - timedelta(hours=1)
    for number in range(LEAST_BATCHES + 3):
        start = now + timedelta(seconds=60 * number)
        close(radiographs, start, 10, 4)
        # Claimed ahead; two that were claimed after it come first.
        close(radiographs, start + timedelta(seconds=1), 18, 4)
        close(radiographs, start + timedelta(seconds=10), 3)
        close(radiographs, start + timedelta(seconds=13), 3)
        # The next has been claimed when the second is on the device.
        close(radiographs, start + timedelta(seconds=16), 6, 4)
    (device,) = measure().devices
    assert device.speed.alone.seconds(1) == pytest.approx(3)
    assert device.speed.following.seconds(4) == pytest.approx(3)


def test_too_few_images_are_not_measured(radiographs: list[Radiograph]) -> None:
    assert measure().since is None
    close(radiographs, timezone.now() - timedelta(hours=1), 1)
    found = measure()
    assert found.images == 1
    assert found.devices == []
    assert (found.profile, found.priorities, found.failing) == (None, None, None)
    basis = combine(GivenAssumptions(100), found)
    assert basis.assumptions.speed.following == USUAL_SPEED.following
    assert basis.assumptions.load.profile == FLAT
    assert len(basis.assumed) == 5
    with pytest.raises(NotMeasuredError):
        combine(GivenAssumptions(100, as_measured=True), found)
    with pytest.raises(NotMeasuredError, match="H200"):
        combine(GivenAssumptions(100, device="H200"), found)


def test_hours_priorities_and_failures_of_the_last_days(
    radiographs: list[Radiograph], settings: Settings
) -> None:
    settings.TIME_ZONE = "UTC"
    timezone.activate("UTC")
    today = timezone.now().replace(hour=9, minute=0, second=0, microsecond=0)
    own = [image for each in radiographs for image in copies(each, 303, each.study)]
    images = [own[number] for start in range(303) for number in range(start, 909, 303)]

    def take(count: int) -> list[Radiograph]:
        return [images.pop() for _ in range(count)]

    for day in range(1, 11):
        start = today - timedelta(days=day)
        close(take(60), start, 1, 60)
        close(take(30), start + timedelta(hours=4), 1, 30)
    failed = today - timedelta(days=2)
    close(take(9), failed, 1, 9, attempt=3, state=JobState.QUARANTINED)
    close(radiographs, today - timedelta(days=40), 1, 500)
    found = measure()
    timezone.deactivate()
    assert found.images == 909 >= LEAST_IMAGES
    assert found.profile is not None
    assert found.profile[9] == 1
    assert found.profile[13] == pytest.approx(300 / 609)
    assert found.profile[3] == 0
    assert found.priorities == pytest.approx([1 / 3] * 3)
    assert found.images_per_study == pytest.approx(909 / 3)
    assert found.failing == pytest.approx(1 - 900 / 927)
    assert found.files_in_busiest_minute == 69
    # That of the busiest day, and not of the average one.
    assert found.studies_in_busiest_hour == pytest.approx(69 / 303)


def test_an_image_that_is_analysed_again_has_not_arrived_again(
    radiographs: list[Radiograph],
) -> None:
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(days=10)
    images = copies(radiographs[0], LEAST_IMAGES)
    close(images, start, 1, LEAST_IMAGES)
    # All of them again, with those of years before.
    old = copies(radiographs[0], 200)
    Radiograph.objects.filter(pk__in=[each.pk for each in old]).update(
        created_at=start - timedelta(days=400)
    )
    close([*images, *old], start + timedelta(days=3), 1, LEAST_IMAGES + 200)
    found = measure()
    assert found.images_per_study == 1
    assert found.studies_in_busiest_hour == LEAST_IMAGES
    assert found.files_in_busiest_minute == LEAST_IMAGES


def test_a_busy_site_has_a_profile_though_few_of_its_jobs_are_read(
    radiographs: list[Radiograph], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "MOST_JOBS", 100)
    today = timezone.now().replace(minute=0, second=0, microsecond=0)
    images = copies(radiographs[0], LEAST_IMAGES)
    for day in range(1, 11):
        close(images[50 * (day - 1) : 50 * day], today - timedelta(days=day), 1, 50)
    found = measure()
    assert found.images == 100
    assert found.profile is not None
    assert found.studies_in_busiest_hour == 50


def test_what_is_stated_comes_before_what_was_measured(radiographs: list[Radiograph]) -> None:
    make_worker("gpu-1", device="H200")
    now = timezone.now() - timedelta(days=10)
    images = [image for each in radiographs for image in copies(each, 170, each.study)]
    for number in range(0, len(images), 10):
        own = images[number : number + 10]
        close(own, now + timedelta(minutes=number), 1, 10)
    found = measure()
    own_figures = combine(GivenAssumptions(100, as_measured=True), found)
    assert own_figures.assumptions.load.images_per_study == pytest.approx(170)
    assert any("H200" in fact for fact in own_figures.measured)
    stated = combine(
        GivenAssumptions(100, 1.5, (0, 0, 1), speed=USUAL_SPEED, path=UploadPath(7), failing=0.1),
        found,
    )
    assert stated.assumptions.load.images_per_study == 1.5
    assert list(stated.assumptions.load.priorities) == [0, 0, 1]
    assert stated.assumptions.speed == USUAL_SPEED
    assert stated.assumptions.path.portals == 7
    assert stated.assumptions.faults.failing == 0.1
