"""The script of the documentation uploads a folder and waits for the results."""

import csv
import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from PIL import Image
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.factories import make_model_version
from webportal.accounts.models import User
from webportal.accounts.services import create_token
from webportal.demo.phantoms import draw_phantom
from webportal.inference.claims import JobResult, claim, write_back
from webportal.reasons import NO_REASON
from webportal.records.models import Radiograph

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "upload_folder.py"


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """Gives every job the same result, as a worker process would hand it to the queue."""
    model = make_model_version()
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            results = [
                JobResult(job, "likely", 0.9, NO_REASON, bytes(49), 7, 7)
                for job in claim("test", 8)
            ]
            write_back("test", "CPU", model, results)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_the_script_uploads_a_folder_and_prints_the_results(
    live_server: LiveServer, worker: None, tmp_path: Path
) -> None:
    user = User.objects.create_user("script", PASSWORD, ["uploader", "radiologist"])
    folder = tmp_path / "images"
    (folder / "ward 5").mkdir(parents=True)
    for seed, name in enumerate(["ward 5/one.png", "two.png"]):
        Image.fromarray(draw_phantom(seed, (160, 136), opacity=False)).save(folder / name)
    (folder / "notes.txt").write_text("no image")

    script = [
        sys.executable,
        str(SCRIPT),
        live_server.url,
        create_token(user, "a script"),
        str(folder),
    ]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)

    assert done.stderr == ""
    lines = {line["file"]: line for line in csv.DictReader(io.StringIO(done.stdout))}
    assert list(lines) == ["notes.txt", "two.png", "ward 5/one.png"]
    assert (lines["notes.txt"]["verdict"], lines["notes.txt"]["category"]) == ("refused", "")
    for name in ("two.png", "ward 5/one.png"):
        line = lines[name]
        assert (line["verdict"], line["category"], line["probability"]) == (
            "accepted",
            "likely",
            "0.9000",
        )


def test_an_interrupted_run_can_be_repeated_without_duplicates(
    live_server: LiveServer, worker: None, tmp_path: Path
) -> None:
    user = User.objects.create_user("script", PASSWORD, ["uploader", "radiologist"])
    folder = tmp_path / "images"
    folder.mkdir()
    phantom = Image.fromarray(draw_phantom(0, (160, 136), opacity=False))
    phantom.save(folder / "one.png")
    script = [
        sys.executable,
        str(SCRIPT),
        live_server.url,
        create_token(user, "a script"),
        str(folder),
    ]
    for verdict in ("accepted", "duplicate"):
        done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)
        (line,) = csv.DictReader(io.StringIO(done.stdout))
        assert (line["verdict"], line["category"]) == (verdict, "likely")
    assert Radiograph.objects.count() == 1


def test_the_script_reports_why_it_is_refused(live_server: LiveServer, tmp_path: Path) -> None:
    script = [sys.executable, str(SCRIPT), live_server.url, "no-token", str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "Invalid token." in done.stderr
