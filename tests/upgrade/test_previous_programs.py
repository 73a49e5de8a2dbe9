"""Programs of the previous release and of this one work on one database.

Where the clone has no commit of that release, this module is skipped: `test_beside.py` needs none.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ml.serving.package import load_package
from tests.dicom_files import dicom, phantom
from tests.helpers import database_url, wait_until
from tests.server.conftest import TOKEN, cookie_of
from tests.server.conftest import start_server as start_server
from tests.upgrade import previous
from tests.workers.conftest import WORKER, CeleryProcess, wait_until_finished
from tests.workers.conftest import _empty_broker as _empty_broker
from tests.workers.conftest import make_radiographs as make_radiographs
from tests.workers.conftest import start as start
from webportal.accounts.models import User
from webportal.inference.models import Job, ModelVersion, Prediction
from webportal.inference.queue import enqueue
from webportal.inference.registry import register
from webportal.intake.batches.services import create_batch
from webportal.records.models import Radiograph

if not previous.is_available():
    pytest.skip("this clone lacks the previous release's commit", allow_module_level=True)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the previous release."""
    folder = tmp_path_factory.mktemp("previous")
    previous.unpack(folder)
    return folder


@pytest.fixture
def model(release: Path, transactional_db: None) -> ModelVersion:
    """The model that ships with the previous release, active: its worker has no newer one."""
    (package,) = (release / "ml/packages").iterdir()
    return register(load_package(package), by=None)[0]


_RECORDED = """
import json, django
django.setup()
from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from webportal.inference.claims import CLAIM
graph = MigrationLoader(None, replace_migrations=False).graph
ours = [
    (app, name)
    for app, name in sorted(graph.nodes)
    if apps.get_app_config(app).name.startswith("webportal.")
    and not graph.nodes[app, name].replaces
]
newest = list(dict(ours).items())
print(json.dumps([newest, CLAIM]))
"""


def test_what_is_recorded_of_it_is_its_own(release: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _RECORDED],
        cwd=release,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "webportal.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    newest, claim = json.loads(told.stdout)
    assert [tuple(each) for each in newest] == previous.MIGRATIONS
    assert claim == previous.CLAIM


@pytest.fixture
def start_previous(
    release: Path, transactional_db: None, tmp_path: Path
) -> Iterator[Callable[[list[str]], Path]]:
    """Start a program of the previous release on this database; return where its output goes."""
    started: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {
        "DATABASE_URL": database_url(),
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
    start_previous: Callable[[list[str]], Path],
    model: ModelVersion,
    make_radiographs: Callable[[int], list[Radiograph]],
    uploader: User,
) -> None:
    for radiograph in make_radiographs(3):
        enqueue(radiograph, uploader)
    start_previous(["celery", "--app", "workers.app", *WORKER, "--hostname", "old@test"])
    wait_until_finished(3)
    assert set(Prediction.objects.values_list("worker", flat=True)) == {"old@test"}


def test_a_worker_stores_results_of_what_its_portal_takes_in(
    start_previous: Callable[[list[str]], Path],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    uploader: User,
) -> None:
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
