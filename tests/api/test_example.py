"""The script of the documentation uploads a folder and waits for the results."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from PIL import Image
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.factories import make_model_version
from webportal.accounts.models import User
from webportal.accounts.services import create_token
from webportal.inference.queue import Result, claim, write_back
from webportal.intake import services
from webportal.intake.models import UploadItem
from webportal.operations.phantoms import draw_phantom

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "upload_folder.py"


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """Gives every job the same result, as a worker process would hand it to the queue."""
    model = make_model_version()
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            results = [
                Result(job, "likely", 0.9, "", "", bytes(49), 7, 7) for job in claim("test", 8)
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

    script = [sys.executable, str(SCRIPT), live_server.url, create_token(user), str(folder)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("notes.txt refused ")]
    assert {"two.png accepted ", "ward 5/one.png accepted "} <= set(lines)
    assert sorted(lines[3:]) == ["two.png likely 0.9", "ward 5/one.png likely 0.9"]


def test_the_script_sends_a_file_again_and_prints_two_of_the_same_content(
    live_server: LiveServer, worker: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User.objects.create_user("script", PASSWORD, ["uploader", "radiologist"])
    phantom = Image.fromarray(draw_phantom(0, (160, 136), opacity=False))
    for name in ("one.png", "two.png"):
        phantom.save(tmp_path / name)
    receive_file, calls = services.receive_file, []

    def receive_and_lose_the_first_answer(*arguments: Any) -> list[UploadItem]:
        items = receive_file(*arguments)
        calls.append(items)
        if len(calls) == 1:
            raise RuntimeError
        return items

    monkeypatch.setattr(services, "receive_file", receive_and_lose_the_first_answer)
    script = [sys.executable, str(SCRIPT), live_server.url, create_token(user), str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)

    assert done.stderr == ""
    assert len(calls) == 3
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [
        ["one.png", "accepted"],
        ["two.png", "duplicate"],
    ]
    assert lines[2:] == ["one.png likely 0.9", "two.png likely 0.9"]


def test_the_script_says_why_it_is_refused(live_server: LiveServer, tmp_path: Path) -> None:
    script = [sys.executable, str(SCRIPT), live_server.url, "no-token", str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "401" in done.stderr
    assert "Invalid token." in done.stderr
