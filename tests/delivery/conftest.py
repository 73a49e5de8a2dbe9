"""Peers that results are sent to: dcmtk's storescp and Orthanc, stopped and started."""

import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests
from pydicom.dataset import FileDataset
from pytest_django.fixtures import Settings

from tests.delivery.fhir_peer import Answer, FhirServer
from tests.delivery.rows import make_pacs
from tests.helpers import free_port, listens, wait_until
from webportal import backoff
from webportal.delivery import planning, running
from webportal.delivery.models import Content, Delivery, Destination, Protocol
from webportal.storage import storage_from_url


@pytest.fixture(autouse=True)
def _own_storage(settings: Settings, tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'storage'}"
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(url)}
    settings.DELIVERY_ANSWER_SECONDS = 5


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once: no test waits for a pause."""
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_PAUSE_SECONDS", 0.05)


@pytest.fixture
def _longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried a second time within one look at what is due."""
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 1.5)
    monkeypatch.setattr(backoff, "LONGEST_PAUSE_SECONDS", 1.5)


class Peer:
    """A program that takes instances into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        log = (self.folder.parent / f"{type(self).__name__}.log").open("ab")
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        wait_until(self.is_ready, f"{type(self).__name__} listens")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None
        return listens(self.port)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


class StoreScp(Peer):
    """dcmtk's storescp, which keeps each instance it is sent, a repeated one beside the first."""

    def command(self) -> list[str]:
        return [
            "storescp",
            *("--output-directory", str(self.folder), "--unique-filenames"),
            *("-aet", "PACS", str(self.port)),
        ]

    def received(self) -> list[FileDataset]:
        return [pydicom.dcmread(path) for path in sorted(self.folder.iterdir())]


class Orthanc(Peer):
    """Orthanc, which keeps an instance once; asked over its REST API."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.http_port = free_port()
        #: Whom it knows: title, address and port by name.
        self.modalities: dict[str, list[Any]] = {}

    def command(self) -> list[str]:
        plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
        settings = {
            "StorageDirectory": str(self.folder),
            "IndexDirectory": str(self.folder),
            "DicomPort": self.port,
            "DicomAet": "PACS",
            "DicomModalities": self.modalities,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [str(plugin)] if plugin.exists() else [],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        configuration = self.folder.parent / "orthanc.json"
        configuration.write_text(json.dumps(settings))
        return ["Orthanc", str(configuration)]

    def is_ready(self) -> bool:
        return super().is_ready() and listens(self.http_port)

    def ask(self, path: str) -> Any:
        return requests.get(f"http://127.0.0.1:{self.http_port}/{path}", timeout=10).json()


@pytest.fixture
def store_scp(tmp_path: Path) -> Iterator[StoreScp]:
    """A storescp that has not been started yet."""
    if shutil.which("storescp") is None:
        pytest.skip("dcmtk is not installed")
    peer = StoreScp(tmp_path / "pacs")
    yield peer
    peer.stop()


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An Orthanc that has not been started yet."""
    if shutil.which("Orthanc") is None:
        pytest.skip("Orthanc is not installed")
    peer = Orthanc(tmp_path / "orthanc")
    yield peer
    peer.stop()


@pytest.fixture
def make_destination(db: None) -> Callable[..., Destination]:
    """Add a PACS on this machine that is sent everything unless the fields say otherwise."""

    def make(port: int = 1, **fields: Any) -> Destination:
        made = make_pacs(port=port, **fields)
        # Signatures grow older by `let_time_pass`, but not older than it.
        made.created_at = made.looked_until = made.created_at - timedelta(minutes=2)
        made.save(update_fields=["created_at", "looked_until"])
        return made

    return make


@pytest.fixture
def make_fhir_server() -> Iterator[Callable[..., FhirServer]]:
    """Start servers that end with the test."""
    made: list[FhirServer] = []

    def make(*answers: Answer) -> FhirServer:
        made.append(FhirServer(*answers))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def make_ehr(make_destination: Callable[..., Destination]) -> Callable[..., Destination]:
    """Add a FHIR server as a destination, which gets everything at once."""

    def make(server: FhirServer, **fields: Any) -> Destination:
        values = {"sends": [Content.READS, Content.RESULTS], "results_when": "at_once"}
        return make_destination(protocol=Protocol.FHIR, url=server.url, **values | fields)

    return make


def send_all(destination: Destination) -> list[Delivery]:
    """Fill the outbox, send what is due once, and return all rows, the oldest first."""
    planning.plan()
    running.serve(destination, threading.Event())
    return list(destination.deliveries.select_related("document").order_by("created_at", "id"))
