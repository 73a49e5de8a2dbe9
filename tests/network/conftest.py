"""A real receiver process on the tests' database, and dcmtk's programs that call it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.listening import ListeningProcess
from tests.network.rows import make_node
from webportal.network.models import Node
from webportal.storage import storage_from_url


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


class Receiver(ListeningProcess):
    """`manage.py receive_dicom` on a free port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        own = {
            "STORAGE_URL": f"file://{folder}/storage",
            "DICOM_INBOX": str(folder / "inbox"),
            "DICOM_STUDY_QUIET_SECONDS": "0.2",
            "UPLOAD_MIN_FREE_BYTES": "0",
        }
        announcement = r"Receiving as \S+ on port (\d+)"
        super().__init__("receive_dicom", announcement, folder / "receiver.log", own | settings)

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
