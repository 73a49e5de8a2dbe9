"""Real worker processes on a database, a broker and a storage of the tests' own."""

import hashlib
import os
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import redis
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from ml.serving.package import SHIPPED_PACKAGE, load_package
from tests import services
from tests.factories import make_model_version, make_radiograph, make_study, make_uploader
from tests.helpers import database_url
from tests.warm import WarmProcess, start_warm
from tests.workers.stand_in import SIZE, StandIn
from webportal.inference.models import Job, JobState, ModelVersion, Prediction, Worker
from webportal.inference.queue import enqueue
from webportal.inference.registry import register
from webportal.records.models import Radiograph
from workers import engine as engine_module
from workers.engine import Engine

# Enough for a machine that is busy with other things; when all is well nothing waits this long.
PATIENCE_SECONDS = 150
# The application of workers that take their time, and so many images that their work has a middle:
# seven batches.
UNHURRIED = "tests.workers.unhurried"
MANY = 56
WORKER = ["worker", "--pool", "prefork", "--concurrency", "1", "--queues", "inference"]
SCHEDULER = ["worker", "--pool", "solo", "--queues", "maintenance", "--beat"]


def start_scheduler(start: "Callable[..., CeleryProcess]") -> "CeleryProcess":
    """Start the one scheduler."""
    return start("scheduler@test", SCHEDULER, app="scheduler.app")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for the condition, also through a restart of the database.

    Fails in the end, and at once when a process has ended that should be there.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for each in _running:
            if each.process.poll() is not None:
                pytest.fail(f"{each.name} ended while waiting until {what}:\n{each.output()}")
        try:
            if condition():
                return
        except OperationalError:
            connection.close()
        time.sleep(0.1)
    jobs = Counter(Job.objects.values_list("state", "attempt", "worker", "reason_code"))
    outputs = "".join(f"\n{each.name}:\n{each.output()}" for each in _running)
    pytest.fail(f"Waited in vain until {what}: {dict(jobs)}{outputs}")


@dataclass
class CeleryProcess:
    """A `celery worker` in a session of its own, and where its output goes."""

    name: str
    process: WarmProcess | subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        row = Worker.objects.filter(name=self.name).exclude(model_version="")
        wait_until(row.exists, f"{self.name} was ready")

    def output(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text().splitlines()[-30:])

    def child(self) -> psutil.Process:
        """The process that predicts."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def kill(self) -> None:
        """End all of it as a power cut would."""
        _running.remove(self)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it in good order."""
        self.process.terminate()
        self.wait_until_ended()

    def wait_until_ended(self) -> None:
        """Wait for it to end by itself."""
        self.process.wait(PATIENCE_SECONDS)
        _running.remove(self)


_running: list[CeleryProcess] = []


@pytest.fixture
def start(
    transactional_db: None, settings: Settings, tmp_path: Path
) -> Iterator[Callable[..., CeleryProcess]]:
    """Start a Celery process; whatever still runs at the end is killed."""
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "AUDIT_ANCHOR_FILE": str(settings.AUDIT_ANCHOR_FILE),
        "INFERENCE_BATCH_SIZE": "8",
        "INFERENCE_LEASE_SECONDS": "6",
        "SWEEP_SECONDS": "2",
        "PYTHONUNBUFFERED": "1",
    }

    def start_one(
        name: str = "a@test", arguments: list[str] = WORKER, app: str = "workers.app"
    ) -> CeleryProcess:
        log = tmp_path / f"{name}.log"
        command = ["--app", app, *arguments, "--hostname", name]
        with log.open("a") as output:
            process = start_warm("celery", command, environment, output)
        _running.append(CeleryProcess(name, process, log))
        return _running[-1]

    yield start_one
    for each in list(_running):
        each.kill()


@pytest.fixture(autouse=True)
def _empty_broker() -> Iterator[None]:
    """Hints of other tests would be carried out here."""
    wipe_broker()
    yield
    wipe_broker()


def wipe_broker() -> None:
    with redis.Redis.from_url(services.valkey.url) as client:
        client.flushall()


@pytest.fixture
def model(transactional_db: None) -> ModelVersion:
    """The model that ships, active."""
    return register(load_package(SHIPPED_PACKAGE), by=None)[0]


@pytest.fixture
def make_radiographs(transactional_db: None) -> Callable[[int], list[Radiograph]]:
    """Make radiographs of one study, which share a few stored phantoms."""

    def make(count: int) -> list[Radiograph]:
        study = make_study()
        drawn = [make_radiograph(study, (320, 288)) for _ in range(min(count, 4))]
        copies = [_copy(drawn[n % len(drawn)]) for n in range(count - len(drawn))]
        return drawn + Radiograph.objects.bulk_create(copies)

    return make


def _copy(radiograph: Radiograph) -> Radiograph:
    fields = {
        field.attname: getattr(radiograph, field.attname) for field in Radiograph._meta.fields
    }
    number = uuid.uuid4()
    own = {
        "id": number,
        "sop_instance_uid": f"2.25.{number.int}",
        "original_sha256": number.hex * 2,
    }
    return Radiograph(**fields | own)


def store(data: bytes) -> Radiograph:
    """A radiograph whose stored file is `data`."""
    radiograph = make_radiograph()
    radiograph.dicom_key = default_storage.save("odd/file.dcm", ContentFile(data))
    radiograph.dicom_sha256 = hashlib.sha256(data).hexdigest()
    radiograph.save()
    return radiograph


def enqueue_all(radiographs: list[Radiograph]) -> list[Job]:
    by = make_uploader()
    return [enqueue(radiograph, by) for radiograph in radiographs]


def finished_count() -> int:
    return Job.objects.filter(state__in=[JobState.DONE, JobState.REFUSED]).count()


def wait_until_finished(count: int) -> None:
    wait_until(lambda: finished_count() >= count, f"{count} jobs were finished")


def assert_one_result_each(radiographs: list[Radiograph]) -> None:
    """Every image has exactly one result, which is the current one, and no job is left."""
    results = Prediction.objects.values_list("radiograph", "is_current")
    assert sorted(results) == sorted((radiograph.pk, True) for radiograph in radiographs)
    assert not Job.objects.exclude(state__in=[JobState.DONE, JobState.REFUSED]).exists()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """A stand-in of the test's own, which the engine loads for every model version."""

    class OwnStandIn(StandIn):
        pass

    def package(model: ModelVersion) -> SimpleNamespace:
        return SimpleNamespace(input_size=SIZE)

    monkeypatch.setattr(engine_module, "Predictor", OwnStandIn)
    monkeypatch.setattr(engine_module, "verified_package", package)
    return OwnStandIn


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    sent: list[bool] = []

    def send() -> bool:
        sent.append(True)
        return True

    monkeypatch.setattr(engine_module, "send_hint", send)
    return sent


@pytest.fixture
def engine(stand_in: type[StandIn], hints: list[bool]) -> Engine:
    make_model_version(is_active=True)
    return Engine("a", is_stopping=lambda: False)
