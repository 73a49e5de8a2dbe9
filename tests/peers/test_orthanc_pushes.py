"""Orthanc, a PACS, pushes whole studies by C-STORE: images, a report and a presentation state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from pydicom import uid
from pydicom.dataset import Dataset

from tests import dicom_files as files
from tests.delivery.conftest import Orthanc, orthanc
from tests.helpers import wait_until
from tests.network.conftest import Receiver, node, start_receiver, storage_folder
from tests.network.rows import make_node
from tests.workers.conftest import CeleryProcess, assert_one_result_each, model, start
from webportal.audit.verification import verify
from webportal.inference.models import ModelVersion, Prediction
from webportal.network.models import InboxState, ReceivedInstance
from webportal.records.files import read_original
from webportal.records.models import Radiograph, Study

pytestmark = [pytest.mark.peers, pytest.mark.django_db(transaction=True)]
__all__ = ["model", "node", "orthanc", "start", "start_receiver", "storage_folder"]

STUDY = "1.2.826.0.1.1"
OTHERS = {
    uid.BasicTextSRStorage: "SR",
    uid.GrayscaleSoftcopyPresentationStateStorage: "PR",
}
IMAGES = 3


@pytest.fixture(autouse=True)
def _storage_of_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The worker reads what the receiver stores."""
    monkeypatch.setenv("STORAGE_URL", f"file://{tmp_path}/storage")


def of_study(number: int, **elements: Any) -> Dataset:
    return files.dataset(
        files.phantom(bits=12, size=(400, 340), seed=number),
        bits=12,
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=f"{STUDY}.{number}",
        SOPInstanceUID=f"{STUDY}.{number}.1",
        **elements,
    )


def without_pixels(number: int, sop_class: uid.UID, modality: str) -> bytes:
    ds = of_study(number, SOPClassUID=sop_class, Modality=modality)
    for element in [each for each in ds if each.tag.group in (0x0028, 0x7FE0)]:
        del ds[element.tag]
    return files.file_bytes(ds)


def push(pacs: Orthanc, receiver: Receiver, **options: Any) -> dict[str, Any]:
    """Have Orthanc send a study of three images, a report and a presentation state.

    Returns its job once that has ended. The report and the presentation state come first.
    """
    at = f"http://127.0.0.1:{pacs.http_port}"
    others = [without_pixels(n, *each) for n, each in enumerate(OTHERS.items(), start=IMAGES)]
    images = [files.file_bytes(of_study(number)) for number in range(IMAGES)]
    ids = []
    for each in [*others, *images]:
        stored = requests.post(f"{at}/instances", data=each, timeout=60)
        stored.raise_for_status()
        ids.append(stored.json()["ID"])
    modality = {"AET": "CHESTLINE", "Host": "127.0.0.1", "Port": receiver.port}
    requests.put(f"{at}/modalities/chestline", json=modality, timeout=60).raise_for_status()
    asked = {"Resources": ids, "Synchronous": False, **options}
    answer = requests.post(f"{at}/modalities/chestline/store", json=asked, timeout=60)
    answer.raise_for_status()
    job = f"jobs/{answer.json()['ID']}"
    wait_until(lambda: pacs.ask(job)["State"] in ("Success", "Failure"), "the job has ended")
    assert pacs.ask("statistics")["CountInstances"] == len(ids)
    ended: dict[str, Any] = pacs.ask(job)
    return ended


def check_images_are_stored_and_analysed(start: Callable[..., CeleryProcess]) -> None:
    wait_until(lambda: Radiograph.objects.count() == IMAGES, "the images are taken in")
    assert Study.objects.get().study_instance_uid == STUDY
    radiographs = list(Radiograph.objects.order_by("sop_instance_uid"))
    for number, each in enumerate(radiographs):
        sent = files.file_bytes(of_study(number))
        assert read_original(each).endswith(sent[-400 * 340 * 2 :])
    start()
    wait_until(lambda: Prediction.objects.count() == IMAGES, "they are analysed")
    assert_one_result_each(radiographs)
    assert verify().intact


def test_a_study_with_a_report_is_pushed_as_it_is(
    start_receiver: Callable[..., Receiver],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    orthanc: Orthanc,
) -> None:
    make_node("PACS")
    orthanc.start()
    job = push(orthanc, start_receiver())
    assert job["State"] == "Success", job
    assert job["Content"]["FailedInstancesCount"] == 0
    kept = ReceivedInstance.objects.filter(state=InboxState.SET_ASIDE)
    assert {each.sop_class_uid for each in kept} == set(OTHERS)
    check_images_are_stored_and_analysed(start)


def test_where_reports_are_refused_a_permissive_job_pushes_the_images_all_the_same(
    start_receiver: Callable[..., Receiver],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    orthanc: Orthanc,
) -> None:
    make_node("PACS")
    orthanc.start()
    receiver = start_receiver(DICOM_OTHER_OBJECTS="refuse")
    # The report comes first, and Orthanc does not go on after what it cannot send.
    assert push(orthanc, receiver)["State"] == "Failure"
    assert not ReceivedInstance.objects.exists()
    job = push(orthanc, receiver, Permissive=True)
    assert job["State"] == "Success", job
    check_images_are_stored_and_analysed(start)
    assert ReceivedInstance.objects.count() == IMAGES
