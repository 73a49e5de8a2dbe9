"""Orthanc, a PACS, stores images here and finds them again."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests import dicom_files as files
from tests.helpers import free_port, wait_until
from tests.peers.conftest import Portal
from tools.peers import ORTHANC_PLUGINS
from webportal.records.files import read_original
from webportal.records.models import Radiograph

pytestmark = pytest.mark.peers
USER = ("chestline", "for the tests alone")


@pytest.fixture
def orthanc(portal: Portal, tmp_path: Path) -> Iterator[str]:
    """The address of an Orthanc that knows the portal as a DICOMweb server.

    It listens on every address, but answers only this machine, and has no DICOM port.
    """
    if shutil.which("Orthanc") is None or not ORTHANC_PLUGINS.is_dir():
        pytest.skip("Orthanc is not installed: run make test-peers as root")
    port = free_port()
    configuration = {
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": dict([USER]),
        "DicomServerEnabled": False,
        "Plugins": [str(ORTHANC_PLUGINS / "libOrthancDicomWeb.so")],
        "DicomWeb": {
            "Enable": True,
            "Servers": {
                "chestline": {
                    "Url": f"{portal.root}/",
                    "HttpHeaders": portal.headers,
                    "ChunkedTransfers": True,
                }
            },
        },
    }
    file = tmp_path / "orthanc.json"
    file.write_text(json.dumps(configuration))
    log = tmp_path / "orthanc.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["Orthanc", str(file)], cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return requests.get(f"{url}/system", auth=USER, timeout=10).ok
        except requests.ConnectionError:
            return False

    wait_until(answers, "Orthanc answered")
    yield url
    process.terminate()
    process.wait()


def test_orthanc_stores_and_finds_images(orthanc: str) -> None:
    sent = [
        files.dicom(
            files.phantom(seed=number), StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4"
        )
        for number in range(3)
    ]
    ids = []
    for each in sent:
        stored = requests.post(f"{orthanc}/instances", data=each, auth=USER, timeout=60)
        ids.append(stored.json()["ID"])
    server = f"{orthanc}/dicom-web/servers/chestline"
    done = requests.post(f"{server}/stow", json={"Resources": ids}, auth=USER, timeout=90)
    assert done.status_code == 200, done.text
    assert sorted(read_original(each) for each in Radiograph.objects.all()) == sorted(sent)
    query = {"Uri": "/studies", "Arguments": {"PatientID": "PHANTOM-1"}}
    found = requests.post(f"{server}/qido", json=query, auth=USER, timeout=60)
    [study] = found.json()
    assert study["0020000D"]["Value"] == "1.2.3"  # Orthanc simplifies
    for each in ids:
        requests.delete(f"{orthanc}/instances/{each}", auth=USER, timeout=60)
    wanted = {"Resources": [{"Study": "1.2.3"}]}
    back = requests.post(f"{server}/retrieve", json=wanted, auth=USER, timeout=90)
    assert back.status_code == 200, back.text
    assert len(requests.get(f"{orthanc}/instances", auth=USER, timeout=60).json()) == 3
