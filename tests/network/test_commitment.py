"""Storage commitment, asked for by a device made with pynetdicom, and by Orthanc."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pydicom import uid
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from tests import dicom_files as files
from tests.delivery.conftest import Orthanc, orthanc
from tests.factories import make_radiograph
from tests.helpers import audit_actions, free_port, wait_until
from tests.network.conftest import Receiver
from tests.network.encodings import instance_of
from tests.network.rows import make_commitment, make_node
from tests.network.test_receiving import send, settled, write_study
from webportal import dicom_status
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.network import commitment, commitment_requests, outgoing
from webportal.network.models import Commitment, CommitmentState, InboxState, Node, ReceivedInstance
from webportal.network.sop_classes import COMMITMENT, VERIFICATION
from webportal.records.models import Radiograph

__all__ = ["orthanc"]
pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., Receiver]

CR = uid.ComputedRadiographyImageStorage
NO_SUCH_OBJECT, PROCESSING_FAILURE, CLASS_CONFLICT = 0x0112, 0x0110, 0x0119


class Device:
    """A device that asks for storage commitment, and listens for the reports."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reports: list[tuple[int, Dataset]] = []
        self.status = 0x0000
        self._server: Any = None

    def listen(self, *, accepts_reports: bool = True) -> None:
        entity = AE("CR1")
        entity.add_supported_context(VERIFICATION)
        if accepts_reports:
            # The device is the SCU, and Chestline requests the association.
            entity.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self._take)]
        self._server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers
        )

    def _take(self, event: Any) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        return self.status, None

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()

    def ask(
        self,
        receiver: Receiver,
        instances: Sequence[str],
        *,
        sop_class: str = CR,
        transaction: str = "",
        action: int = 1,
    ) -> int:
        """Send the N-ACTION, end the association, and return the status."""
        information = Dataset()
        information.TransactionUID = transaction or uid.generate_uid()
        items = []
        for each in instances:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, each
            items.append(item)
        information.ReferencedSOPSequence = items
        entity = AE("CR1")
        entity.add_requested_context(COMMITMENT)
        association = entity.associate("127.0.0.1", receiver.port, ae_title="CHESTLINE")
        assert association.is_established
        answer, _reply = association.send_n_action(
            information, action, COMMITMENT, commitment.INSTANCE
        )
        association.release()
        return int(answer.Status)

    def report(self, number: int = 0) -> tuple[int, set[str], dict[str, int]]:
        """The event type, what is committed, and why the rest is not."""
        wait_until(lambda: len(self.reports) > number, "a report has arrived")
        kind, found = self.reports[number]
        return (
            kind,
            {each.ReferencedSOPInstanceUID for each in found.get("ReferencedSOPSequence", [])},
            {
                each.ReferencedSOPInstanceUID: each.FailureReason
                for each in found.get("FailedSOPSequence", [])
            },
        )


@pytest.fixture
def device(db: None) -> Iterator[Device]:
    """A device that Chestline knows, and that listens."""
    made = Device(free_port())
    make_node(port=made.port)
    made.listen()
    yield made
    made.stop()


def test_what_is_stored_is_committed_once_intake_has_finished_and_the_rest_is_named(
    start_receiver: Start, device: Device, tmp_path: Path
) -> None:
    receiver = start_receiver(DICOM_STUDY_QUIET_SECONDS="2")
    paths = write_study(tmp_path / "study", 3)
    paths[2].write_bytes(files.with_elements(paths[2].read_bytes(), Modality="MR"))
    assert send(receiver, paths).returncode == 0
    invented = uid.generate_uid()
    asked = [*map(instance_of, paths), invented]
    assert device.ask(receiver, asked) == 0
    assert not ReceivedInstance.objects.exclude(state=InboxState.WAITING).exists()

    kind, committed, failed = device.report()
    assert ReceivedInstance.objects.filter(state=InboxState.TAKEN).count() == 2
    assert (kind, committed) == (2, set(asked[:2]))
    assert failed == {asked[2]: PROCESSING_FAILURE, invented: NO_SUCH_OBJECT}

    assert device.ask(receiver, asked[:2]) == 0
    assert device.report(1) == (1, set(asked[:2]), {})
    wait_until(
        lambda: Commitment.objects.filter(state=CommitmentState.REPORTED).count() == 2,
        "both are reported",
    )
    entry = AuditEntry.objects.filter(action="node.storage_committed").earliest("sequence")
    assert entry.detail["committed"] == 2
    assert entry.detail["failed"] == {asked[2]: "0110", invented: "0112"}


def test_a_held_image_is_committed_until_a_person_discards_it(
    start_receiver: Start, device: Device, tmp_path: Path
) -> None:
    receiver = start_receiver()
    [path] = write_study(tmp_path / "study", 1)
    assert send(receiver, [path]).returncode == 0
    wait_until(settled(1), "it is taken in")
    path.write_bytes(files.with_elements(path.read_bytes(), PatientComments="sent again"))
    assert send(receiver, [path]).returncode == 0
    wait_until(settled(2), "the other content is held")
    row = ReceivedInstance.objects.get(state=InboxState.HELD)
    assert row.item is not None
    asked = instance_of(path)
    device.ask(receiver, [asked])
    assert device.report()[1:] == ({asked}, {})

    row.item.verdict = "discarded"
    row.item.save()
    device.ask(receiver, [asked])
    assert device.report(1)[1:] == (set(), {asked: PROCESSING_FAILURE})


def test_a_damaged_file_and_another_class_are_not_committed(
    start_receiver: Start, device: Device, tmp_path: Path
) -> None:
    receiver = start_receiver()
    paths = write_study(tmp_path / "study", 2)
    assert send(receiver, paths).returncode == 0
    wait_until(settled(2), "both are taken in")
    damaged, whole = map(instance_of, paths)
    stored = Radiograph.objects.get(sop_instance_uid=damaged)
    Path(default_storage.path(stored.original_key)).write_bytes(b"damaged")
    device.ask(receiver, [damaged, whole])
    assert device.report()[1:] == ({whole}, {damaged: PROCESSING_FAILURE})
    device.ask(receiver, [whole], sop_class=uid.DigitalXRayImageStorageForPresentation)
    assert device.report(1)[2] == {whole: CLASS_CONFLICT}


def test_a_report_waits_for_a_device_that_is_off_or_answers_with_an_error(
    start_receiver: Start, device: Device
) -> None:
    device.stop()
    receiver = start_receiver()
    asked = uid.generate_uid()
    assert device.ask(receiver, [asked]) == 0
    row = Commitment.objects.get()

    def waits_because(code: str) -> None:
        wait_until(lambda: Commitment.objects.get().reason_code == code, code)

    waits_because("node_away")
    device.status = 0x0110
    device.listen()
    # The pending report survives a kill.
    receiver.kill()
    start_receiver()
    waits_because("report_refused")
    device.status = 0x0000
    wait_until(lambda: Commitment.objects.get().state == "reported", "it has arrived")
    assert device.report(len(device.reports) - 1)[2] == {asked: NO_SUCH_OBJECT}
    row.refresh_from_db()
    assert (row.failed, row.reason_code) == (1, "")
    assert row.attempts >= 3


def test_the_same_request_again_is_reported_again_and_others_are_refused(
    start_receiver: Start, device: Device
) -> None:
    receiver = start_receiver()
    asked, transaction = [uid.generate_uid()], uid.generate_uid()
    assert device.ask(receiver, asked, transaction=transaction) == 0
    device.report()
    wait_until(lambda: Commitment.objects.get().state == "reported", "it is reported")
    assert device.ask(receiver, asked, transaction=transaction) == 0
    device.report(1)
    assert Commitment.objects.count() == 1

    other = [uid.generate_uid()]
    assert device.ask(receiver, other, transaction=transaction) == dicom_status.INVALID_ARGUMENT
    assert device.ask(receiver, []) == dicom_status.INVALID_ARGUMENT
    assert device.ask(receiver, ["no UID"]) == dicom_status.INVALID_ARGUMENT
    assert device.ask(receiver, other, action=2) == dicom_status.NO_SUCH_ACTION
    many = [f"2.25.{number}" for number in range(commitment.MOST_INSTANCES + 1)]
    assert device.ask(receiver, many) == dicom_status.RESOURCE_LIMITATION


def test_hospital_it_sees_why_a_report_waits_and_has_it_sent_again(
    it_person: User, sign_in: Callable[[User], Client], device: Device
) -> None:
    node = Node.objects.get()
    Node.objects.update(port=None)
    row = make_commitment(node, transaction_uid="2.25.1", instances=[[CR, "2.25.2"]])
    outgoing.serve(node.pk, threading.Event())
    client = sign_in(it_person)
    assert "Enter the port" in client.get("/dicom/commitments").content.decode()

    Node.objects.update(port=device.port)
    client.post(f"/dicom/commitments/{row.pk}/again")
    outgoing.serve(node.pk, threading.Event())
    assert device.report()[2] == {"2.25.2": NO_SUCH_OBJECT}
    page = client.get("/dicom/commitments?state=reported").content.decode()
    assert "2.25.1" in page
    assert audit_actions(object_type="commitment") == [
        "node.commitment_retried",
        "node.storage_committed",
    ]


def test_a_request_that_cannot_be_reported_does_not_stop_the_others(device: Device) -> None:
    node = Node.objects.get()
    broken = make_commitment(node, instances=[[CR]])
    make_commitment(node, instances=[[CR, "2.25.2"]])
    outgoing.serve(node.pk, threading.Event())
    assert device.report()[2] == {"2.25.2": NO_SUCH_OBJECT}
    broken.refresh_from_db()
    assert (broken.state, broken.attempts) == (CommitmentState.WAITING, 1)
    assert broken.reason_code == "node_unexpected"
    assert broken not in commitment_requests.due(timezone.now())


def test_a_device_that_accepts_no_reports_is_not_reported_as_unreachable(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    device.stop()
    device.listen(accepts_reports=False)
    stored = make_radiograph(original_sha256="0" * 64)
    node = Node.objects.get()
    row = make_commitment(node, instances=[[stored.sop_class_uid, stored.sop_instance_uid]])
    for attempts in (1, 2):
        Commitment.objects.update(next_attempt_at=timezone.now())
        outgoing.serve(node.pk, threading.Event())
        row.refresh_from_db()
        assert (row.reason_code, row.attempts) == ("report_not_offered", attempts)
    assert caplog.text.count("A file that was to be committed is missing or damaged") == 1


def test_no_file_is_read_again_for_a_device_that_is_still_away(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    device.stop()
    stored = make_radiograph(original_sha256="0" * 64)
    instances = [[stored.sop_class_uid, stored.sop_instance_uid]]
    node = Node.objects.get()
    row = make_commitment(node, instances=instances)
    damaged = "A file that was to be committed is missing or damaged"
    outgoing.serve(node.pk, threading.Event())
    assert caplog.text.count(damaged) == 1
    Commitment.objects.update(next_attempt_at=timezone.now())
    outgoing.serve(node.pk, threading.Event())
    row.refresh_from_db()
    assert (row.reason_code, row.attempts) == ("node_away", 2)
    assert caplog.text.count(damaged) == 1
    device.listen()
    Commitment.objects.update(next_attempt_at=timezone.now())
    outgoing.serve(node.pk, threading.Event())
    assert device.report()[2] == {stored.sop_instance_uid: PROCESSING_FAILURE}


def test_orthanc_learns_what_is_stored_and_what_is_not(
    start_receiver: Start, orthanc: Orthanc, tmp_path: Path
) -> None:
    receiver = start_receiver()
    orthanc.start()
    make_node("PACS", port=orthanc.port)
    url = f"http://127.0.0.1:{orthanc.http_port}"
    modality = {"AET": "CHESTLINE", "Host": "127.0.0.1", "Port": receiver.port}
    requests.put(f"{url}/modalities/chestline", json=modality, timeout=10).raise_for_status()
    paths = write_study(tmp_path / "study", 2)
    stored = [
        requests.post(f"{url}/instances", data=path.read_bytes(), timeout=10).json()["ID"]
        for path in paths
    ]
    sent = requests.post(f"{url}/modalities/chestline/store", data=stored[0], timeout=30)
    sent.raise_for_status()
    asked = requests.post(
        f"{url}/modalities/chestline/storage-commitment", json={"Resources": stored}, timeout=30
    )
    transaction = asked.json()["ID"]
    wait_until(
        lambda: orthanc.ask(f"storage-commitment/{transaction}")["Status"] != "Pending",
        "Orthanc has the report",
    )
    report = orthanc.ask(f"storage-commitment/{transaction}")
    assert report["Status"] == "Failure"
    assert [each["SOPInstanceUID"] for each in report["Success"]] == [instance_of(paths[0])]
    [failed] = report["Failures"]
    assert failed["SOPInstanceUID"] == instance_of(paths[1])
    assert failed["FailureReason"] == NO_SUCH_OBJECT
