"""A real receiver process on the tests' database, and dcmtk's programs that call it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from tests import services
from tests.helpers import PATIENCE_SECONDS
from tests.network.rows import make_node
from webportal.network.models import Node
from webportal.storage import storage_from_url

ROOT = Path(__file__).resolve().parents[2]
_LISTENS = re.compile(r"Receiving as \S+ on port (\d+)")


@pytest.fixture(autouse=True)
def storage_folder(settings: Settings, tmp_path: Path) -> Path:
    """A storage and an inbox of the test's own."""
    folder = tmp_path / "storage"
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(f"file://{folder}")}
    settings.UPLOAD_MIN_FREE_BYTES = 0
    settings.DICOM_INBOX = tmp_path / "inbox"
    return folder


@pytest.fixture
def node(db: None) -> Node:
    """A modality that may call from this machine."""
    return make_node()


class Receiver:
    """`manage.py receive_dicom` on a free port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        url = urlsplit(services.postgres.url)
        self.folder = folder
        self.log = folder / "receiver.log"
        environment = os.environ | {
            "DATABASE_URL": url._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
            "STORAGE_URL": f"file://{folder}/storage",
            "DICOM_INBOX": str(folder / "inbox"),
            "DICOM_STUDY_QUIET_SECONDS": "0.2",
            "UPLOAD_MIN_FREE_BYTES": "0",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        with self.log.open("a") as log:
            begin = self.log.stat().st_size
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "receive_dicom", "--port", "0"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := _LISTENS.search(self.log.read_text()[begin:])) is None:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        self.port = int(found[1])

    def call(
        self,
        program: str,
        *arguments: str | Path,
        calling: str = "CR1",
        called: str = "CHESTLINE",
    ) -> subprocess.CompletedProcess[str]:
        """Run one of dcmtk's programs against it; the output has both streams."""
        command = [program, "-v", "-aet", calling, "-aec", called, "127.0.0.1", str(self.port)]
        return subprocess.run(
            [*command, *map(str, arguments)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop it as a service manager does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_SECONDS)


@pytest.fixture
def start_receiver(tmp_path: Path, transactional_db: None) -> Iterator[Callable[..., Receiver]]:
    """Start a receiver with settings of its own; what is left at the end is killed."""
    if shutil.which("storescu") is None:
        pytest.skip("dcmtk is not installed")
    started: list[Receiver] = []

    def start(**settings: str) -> Receiver:
        started.append(Receiver(tmp_path, **settings))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.kill()
