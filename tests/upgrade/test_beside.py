"""Programs of the previous release and of this one work on one database."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps as present_apps
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import StateApps
from django.utils import timezone

from tests.dicom_files import dicom, phantom
from tests.factories import make_radiograph
from tests.helpers import wait_until
from tests.server.conftest import TOKEN, cookie_of
from tests.server.conftest import start_server as start_server
from tests.upgrade import previous
from tests.workers.conftest import WORKER, CeleryProcess, wait_until_finished
from tests.workers.conftest import _empty_broker as _empty_broker
from tests.workers.conftest import make_radiographs as make_radiographs
from tests.workers.conftest import model as model
from tests.workers.conftest import start as start
from webportal.accounts.models import User
from webportal.inference import claims
from webportal.inference.models import Job, JobState, ModelVersion, Prediction
from webportal.inference.queue import enqueue
from webportal.intake.batches.services import create_batch
from webportal.records.models import Radiograph


@pytest.fixture(scope="module")
def before() -> StateApps:
    """The models of the previous release."""
    loader = MigrationLoader(None, replace_migrations=False)
    apps = loader.project_state(previous.MIGRATIONS).apps
    assert isinstance(apps, StateApps)
    return apps


@pytest.mark.django_db
def test_its_programs_find_every_table_and_column(before: StateApps) -> None:
    for each in before.get_models():
        if present_apps.is_installed(f"webportal.{each._meta.app_label}"):
            # Names every column.
            str(list(each._base_manager.all()[:1]))


@pytest.mark.django_db
def test_its_programs_can_leave_out_every_new_column(before: StateApps) -> None:
    query = """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL
            AND is_identity = 'NO' AND is_generated = 'NEVER'
    """
    known: dict[str, set[str | None]] = {}
    for each in before.get_models(include_auto_created=True):
        columns = {field.column for field in each._meta.local_concrete_fields}
        known.setdefault(each._meta.db_table, set()).update(columns)
    with connection.cursor() as cursor:
        cursor.execute(query)
        needed = [row for row in cursor.fetchall() if row[0] in known]
    assert needed
    unknown = [(table, column) for table, column in needed if column not in known[table]]
    assert unknown == [], "Give the new column a db_default, or let it be null."


@pytest.mark.django_db
def test_a_job_that_its_portal_queues_is_claimed_here(before: StateApps, uploader: User) -> None:
    radiograph = make_radiograph()
    old_job: type[models.Model] = before.get_model("inference", "Job")
    queued = old_job._base_manager.create(
        id=uuid.uuid4(),
        radiograph_id=radiograph.pk,
        study_id=radiograph.study_id,
        priority=2,
        queued_at=timezone.now(),
        created_by_id=uploader.pk,
    )
    [claimed] = claims.claim("new@test", 8)
    assert (claimed.id, claimed.traceparent) == (queued.pk, "")


@pytest.mark.django_db
def test_a_job_that_is_queued_here_is_claimed_by_its_worker(uploader: User) -> None:
    job = enqueue(make_radiograph(), uploader)
    parameters: dict[str, Any] = {
        "worker": "old@test",
        "limit": 8,
        "busy": False,
        "lease": timedelta(seconds=60),
        "priorities": [0, 1, 2],
    }
    with connection.cursor() as cursor:
        cursor.execute(previous.CLAIM, parameters)
        [row] = cursor.fetchall()
    assert row[0] == job.pk
    job.refresh_from_db()
    assert (job.state, job.worker) == (JobState.RUNNING, "old@test")


# ── The programs themselves, in a clone that has their commit ───────────────────────────────────


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The previous release's checkout; None in a shallow clone, where the tests above must do."""
    folder = tmp_path_factory.mktemp("previous")
    return folder if previous.unpack(folder) else None


@pytest.fixture
def start_previous(
    release: Path | None, transactional_db: None, tmp_path: Path
) -> Iterator[Callable[[list[str]], Path]]:
    """Start a program of the previous release on this database; return where its output goes."""
    started: list[subprocess.Popen[bytes]] = []
    url = os.environ["DATABASE_URL"]
    name = connection.settings_dict["NAME"]
    environment = os.environ | {
        "DATABASE_URL": url.replace("/chestline?", f"/{name}?"),
        "INFERENCE_LEASE_SECONDS": "6",
        "UPLOAD_MIN_FREE_BYTES": "0",
        "PYTHONPATH": str(release),
    }

    def start_one(command: list[str]) -> Path:
        log = tmp_path / "previous.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=release,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        return log

    yield start_one
    for process in started:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_its_worker_stores_results_of_what_is_queued_here(
    release: Path | None,
    start_previous: Callable[[list[str]], Path],
    model: ModelVersion,
    make_radiographs: Callable[[int], list[Radiograph]],
    uploader: User,
) -> None:
    if release is None:
        return
    for radiograph in make_radiographs(3):
        enqueue(radiograph, uploader)
    start_previous(["celery", "--app", "workers.app", *WORKER, "--hostname", "old@test"])
    wait_until_finished(3)
    assert set(Prediction.objects.values_list("worker", flat=True)) == {"old@test"}


def test_a_worker_stores_results_of_what_its_portal_takes_in(
    release: Path | None,
    start_previous: Callable[[list[str]], Path],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    uploader: User,
) -> None:
    if release is None:
        return
    log = start_previous(["webportal.server", "--bind", "127.0.0.1:18765"])
    wait_until(lambda: "listening" in log.read_text(), "the portal listened")
    with closing(HTTPConnection("127.0.0.1", 18765, timeout=60)) as asked:
        asked.request(
            "POST",
            f"/uploads/{create_batch(uploader).pk}/files",
            dicom(phantom()),
            {
                "Cookie": cookie_of(uploader),
                "X-CSRFToken": TOKEN,
                "X-File-Path": "a.dcm",
                "Content-Type": "application/octet-stream",
            },
        )
        assert asked.getresponse().status == 200, log.read_text()
    start()
    wait_until_finished(1)
    assert Job.objects.get().worker == "a@test"
