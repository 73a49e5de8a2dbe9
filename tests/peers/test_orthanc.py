"""Orthanc, a PACS, stores images here and finds them again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests import dicom_files as files
from tests.helpers import free_port
from tests.peers.conftest import Portal
from tests.peers.orthanc import running_orthanc
from webportal.records.files import read_original
from webportal.records.models import Radiograph

pytestmark = pytest.mark.peers
USER = ("chestline", "for the tests alone")


@pytest.fixture
def orthanc(portal: Portal, tmp_path: Path) -> Iterator[str]:
    """The address of an Orthanc that knows the portal as a DICOMweb server.

    It listens on every address, but answers only this machine, and has no DICOM port.
    """
    port = free_port()
    configuration = {
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": dict([USER]),
        "DicomServerEnabled": False,
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
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/system", auth=USER, timeout=10).ok
        except requests.ConnectionError:
            return False

    with running_orthanc(tmp_path, "libOrthancDicomWeb.so", configuration, answers):
        yield url


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
