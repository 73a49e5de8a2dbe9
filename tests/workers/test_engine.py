"""The engine's loop, with a stand-in for the network: failures stay contained."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.db.backends.signals import connection_created
from django.utils import timezone
from numpy.typing import NDArray
from pytest_django.fixtures import Settings

from ml.serving.assessment import Assessment
from tests.factories import (
    make_job,
    make_model_version,
    make_package,
    make_worker,
    overwrite,
    replace_file,
)
from tests.workers.stand_in import SIZE, StandIn, states
from webportal.audit.models import AuditEntry
from webportal.inference import registry
from webportal.inference.claims import ClaimedJob, JobResult
from webportal.inference.models import Job, JobState, Prediction, Worker
from webportal.inference.presence import begin_loading, end_loading
from webportal.records.models import FileFault, Radiograph
from workers import engine as engine_module
from workers.engine import Engine
from workers.loading import load_input

# Results are written back by another thread, which sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def spoil(job: Job, data: bytes) -> None:
    replace_file(job.radiograph, data)


@pytest.mark.parametrize("view_position", ["LL", "RLD", "LLO"])
def test_a_view_that_is_not_frontal_gets_no_figure(view_position: str, engine: Engine) -> None:
    job = make_job()
    Radiograph.objects.filter(pk=job.radiograph_id).update(view_position=view_position)
    engine.drain()
    prediction = Prediction.objects.get()
    assert (prediction.category, prediction.probability) == ("not_assessable", None)
    assert f"not a frontal view ({view_position})" in str(prediction.reason)
    assert states() == ["refused"]


def test_a_small_batch_needs_no_connection_of_its_own(engine: Engine) -> None:
    make_job()
    opened: list[object] = []

    def note(**kwargs: Any) -> None:
        opened.append(kwargs["connection"])

    connection_created.connect(note)
    try:
        engine.drain()
    finally:
        connection_created.disconnect(note)
    assert states() == ["done"]
    assert not opened


def test_it_works_until_the_queue_is_empty(engine: Engine) -> None:
    for _ in range(3):
        make_job()
    engine.drain()
    assert states() == ["done"] * 3
    assert set(Prediction.objects.values_list("worker", "device", "model_version__version")) == {
        ("a", "cpu:0", "test-1")
    }
    assert engine.held_jobs() == []


def test_it_measures_how_long_jobs_and_batches_take(engine: Engine) -> None:
    broken = make_job(queued_at=timezone.now() - timedelta(seconds=100))
    spoil(broken, b"no image at all")
    for _ in range(2):
        make_job(queued_at=timezone.now() - timedelta(seconds=100))
    engine.drain()
    measured = engine.measured()
    images, since = measured["images"], measured["jobs"]
    assert (sum(images["counts"]), images["sum"]) == (1, 3)
    assert (sum(since["claimed"]["counts"]), sum(since["stored"]["counts"])) == (3, 2)
    assert 300 <= since["claimed"]["sum"] < 400
    assert 200 <= since["stored"]["sum"] < 300
    assert {name: sum(phase["counts"]) for name, phase in measured["phases"].items()} == {
        "read": 1,
        "predict": 1,
        "write back": 1,
    }


def test_a_file_that_can_never_be_decoded_is_quarantined_at_once(engine: Engine) -> None:
    broken, _ = make_job(), make_job()
    spoil(broken, b"no image at all")
    engine.drain()
    broken.refresh_from_db()
    assert (broken.state, broken.attempt) == (JobState.QUARANTINED, 1)
    assert broken.reason_code == "not_an_image"
    assert states() == ["done", "quarantined"]


def test_a_missing_file_is_quarantined_after_three_attempts(engine: Engine) -> None:
    missing, _ = make_job(), make_job()
    default_storage.delete(missing.radiograph.dicom_key)
    engine.drain()
    missing.refresh_from_db()
    assert (missing.state, missing.attempt) == (JobState.QUARANTINED, 3)
    assert missing.reason_code == "file_unreadable"
    fault = FileFault.objects.get()
    assert (fault.key, fault.kind) == (missing.radiograph.dicom_key, "missing")
    assert fault.radiograph_id == missing.radiograph_id
    assert states() == ["done", "quarantined"]


def test_a_file_truncated_on_disk_is_reported_as_damaged_in_storage(engine: Engine) -> None:
    job = make_job()
    with default_storage.open(job.radiograph.dicom_key) as file:
        data = file.read()
    overwrite(job.radiograph.dicom_key, data[: len(data) // 2])
    engine.drain()
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.QUARANTINED, "file_damaged")
    assert "not in transfer" in str(job.reason)
    assert FileFault.objects.get().kind == "damaged"


def test_a_storage_outage_uses_up_no_attempt(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        make_job()
    folder = Path(default_storage.path(""))
    hidden = folder.rename(folder.with_name("hidden"))

    def come_back() -> None:
        assert not Job.objects.exclude(attempt=0).exists()
        hidden.rename(folder)

    monkeypatch.setattr(engine, "_pause", come_back)
    engine.drain()
    assert states() == ["done"] * 2
    assert set(Job.objects.values_list("attempt", flat=True)) == {1}
    assert not FileFault.objects.exists()


def test_an_image_on_which_the_model_fails_affects_no_other(
    engine: Engine, stand_in: type[StandIn]
) -> None:
    jobs = [make_job() for _ in range(4)]
    culprit = load_input(jobs[2].radiograph.dicom_key, jobs[2].radiograph.dicom_sha256, SIZE)
    stand_in.refuses = staticmethod(
        lambda batch: any(np.array_equal(image, culprit) for image in batch)
    )
    engine.drain()
    jobs[2].refresh_from_db()
    assert (jobs[2].state, jobs[2].attempt) == (JobState.QUARANTINED, 3)
    assert jobs[2].reason_code == "prediction_failed"
    assert states() == ["done"] * 3 + ["quarantined"]


def test_a_broken_device_ends_the_process_and_uses_up_no_attempt(
    engine: Engine, stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(status: int) -> None:
        raise SystemExit(status)

    for _ in range(3):
        make_job()
    monkeypatch.setattr(os, "_exit", end)
    stand_in.refuses = staticmethod(lambda batch: True)
    with pytest.raises(SystemExit):
        engine.drain()
    assert set(Job.objects.values_list("state", "attempt")) == {(JobState.QUEUED, 0)}


def test_a_result_that_the_database_rejects_affects_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    impossible, _ = make_job(), make_job()
    make_result = vars(engine_module)["_result"]

    def result(job: ClaimedJob, assessment: Assessment) -> JobResult:
        made: JobResult = make_result(job, assessment)
        if job.id == impossible.pk:
            return JobResult(**vars(made) | {"probability": 7.0})
        return made

    monkeypatch.setattr(engine_module, "_result", result)
    engine.drain()
    impossible.refresh_from_db()
    assert (impossible.state, impossible.reason_code) == (JobState.QUARANTINED, "result_refused")
    assert states() == ["done", "quarantined"]


def test_a_new_model_is_used_from_the_next_batch_on(engine: Engine, tmp_path: Path) -> None:
    first = make_job()
    engine.drain()
    newer, _ = registry.register(make_package(tmp_path / "test-2"), None)
    registry.activate(newer, None)
    second = make_job()
    engine.drain()
    assert first.prediction.model_version.version == "test-1"
    assert second.prediction.model_version.version == "test-2"
    assert engine.model_version == "test-2"


def test_workers_load_a_new_model_one_after_the_other(
    engine: Engine, tmp_path: Path, settings: Settings
) -> None:
    def version_used() -> str:
        job = make_job()
        engine.drain()
        version: str = job.prediction.model_version.version
        return version

    make_worker("a")
    other = make_worker("b")
    assert version_used() == "test-1"
    newer, _ = registry.register(make_package(tmp_path / "test-2"), None)
    registry.activate(newer, None)
    assert begin_loading("b")
    assert version_used() == "test-1"
    end_loading("b")
    assert version_used() == "test-2"
    assert not Worker.objects.exclude(loading_since=None).exists()
    # One that died while it was loading stops nobody for longer than a lease.
    since = timezone.now() - timedelta(seconds=settings.INFERENCE_LEASE_SECONDS + 1)
    Worker.objects.filter(pk=other.pk).update(loading_since=since)
    newest, _ = registry.register(make_package(tmp_path / "test-3"), None)
    registry.activate(newest, None)
    assert version_used() == "test-3"


def test_a_batch_running_during_activation_is_finished_by_the_previous_model(
    engine: Engine, stand_in: type[StandIn], settings: Settings, tmp_path: Path
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    jobs = [make_job() for _ in range(6)]
    newer, _ = registry.register(make_package(tmp_path / "test-2"), None)

    def activate() -> None:
        registry.activate(newer, None)
        connection.close()

    def activate_meanwhile(batch: NDArray[np.uint8]) -> bool:
        with ThreadPoolExecutor(1) as portal:
            portal.submit(activate).result(timeout=20)
        return False

    stand_in.refuses = staticmethod(activate_meanwhile)
    engine.drain()
    versions = [job.prediction.model_version.version for job in jobs]
    # The second batch was claimed, and being read, when the first was on the device.
    assert versions == ["test-1"] * 4 + ["test-2"] * 2
    assert states() == ["done"] * 6


def test_correction_and_pattern_are_recorded(engine: Engine, stand_in: type[StandIn]) -> None:
    stand_in.extras = {
        "bacterial_probability": 0.7,
        "correction": "inverted+rotated_180",
        "assessed_as": "adult",
    }
    job = make_job()
    engine.drain()
    prediction = job.prediction
    assert (prediction.bacterial_probability, prediction.correction) == (
        0.7,
        "inverted+rotated_180",
    )
    assert prediction.assessed_as == "adult"
    assert prediction.correction_text == "inverting the grey values and rotating it by 180°"
    detail = AuditEntry.objects.get(action="job.finished").detail
    assert (detail["bacterial_probability"], detail["correction"]) == (0.7, "inverted+rotated_180")
    assert detail["assessed_as"] == "adult"


def test_it_passes_the_hint_on_when_there_may_be_work_for_others(
    engine: Engine, hints: list[bool], settings: Settings
) -> None:
    settings.INFERENCE_BATCH_SIZE = 4
    make_job()
    engine.drain()
    assert hints == []
    for _ in range(9):
        make_job()
    engine.drain()
    assert hints == [True]


def test_it_passes_a_hint_on_again_once_it_has_dropped_those_that_were_waiting(
    engine: Engine, hints: list[bool], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INFERENCE_BATCH_SIZE = 4

    def drop() -> None:
        """An upload was committed just before, and its hint is dropped, too."""
        if len(states()) < 20:
            for _ in range(12):
                make_job()

    monkeypatch.setattr(engine_module, "drop_hints", drop)
    for _ in range(8):
        make_job()
    engine.drain()
    assert states() == ["done"] * 20
    assert hints == [True, True]


def test_it_stops_after_the_current_batch_and_gives_back_the_next(
    stand_in: type[StandIn], hints: list[bool], settings: Settings
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    make_model_version(is_active=True)
    for _ in range(6):
        make_job()
    batches: list[int] = []

    def note(batch: NDArray[np.uint8]) -> bool:
        batches.append(len(batch))
        return False

    stand_in.refuses = staticmethod(note)
    Engine("a", is_stopping=lambda: bool(batches)).drain()
    assert batches == [2]
    assert sorted(Job.objects.values_list("state", "attempt")) == [
        *[("done", 1)] * 2,
        *[("queued", 0)] * 4,
    ]


def test_a_retried_job_is_alone_in_the_process(
    engine: Engine, stand_in: type[StandIn], settings: Settings
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    retried, *_ = [make_job() for _ in range(4)]
    Job.objects.filter(pk=retried.pk).update(attempt=1)
    held: list[int] = []

    def note(batch: NDArray[np.uint8]) -> bool:
        held.append(len(engine.held_jobs()))
        return False

    stand_in.refuses = staticmethod(note)
    engine.drain()
    assert states() == ["done"] * 4
    assert held[0] == 1
