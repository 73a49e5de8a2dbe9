"""Images sent by dcmtk's tools to a real receiver, which is killed in between."""

import hashlib
import socket
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from pydicom import uid
from pynetdicom import AE

from tests import dicom_files as files
from tests.certificates import certificate
from tests.helpers import PATIENCE_SECONDS, audit_actions, wait_until
from tests.network.conftest import Receiver
from tests.network.encodings import Sending, data_set, instance_of, write_images, write_profile
from tests.network.killing import check_that_no_image_is_lost
from webportal import dicom_status
from webportal.audit.verification import verify
from webportal.inference.models import Job
from webportal.intake.models import UploadBatch
from webportal.network import scp
from webportal.network.models import InboxState, Node, ReceivedInstance, RejectedCaller
from webportal.network.sop_classes import IMAGE_SYNTAXES, VERIFICATION
from webportal.records.files import read_original
from webportal.records.models import Radiograph, Series, Study

pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., Receiver]


def write_study(folder: Path, images: int, **elements: Any) -> list[Path]:
    """Files of one study, a series."""
    folder.mkdir(exist_ok=True)
    common: dict[str, Any] = {
        "StudyInstanceUID": uid.generate_uid(),
        "SeriesInstanceUID": uid.generate_uid(),
    }
    paths = []
    for number in range(images):
        path = folder / f"{number}.dcm"
        pixels = files.phantom(seed=number)
        ds = files.dataset(pixels, **common, InstanceNumber=number, **elements)
        path.write_bytes(files.file_bytes(ds))
        paths.append(path)
    return paths


def send(
    receiver: Receiver, paths: Sequence[Path], *options: str
) -> subprocess.CompletedProcess[str]:
    return receiver.call("storescu", *options, *paths)


def settled(count: int) -> Callable[[], bool]:
    return lambda: ReceivedInstance.objects.exclude(settled_at=None).count() == count


def test_a_study_becomes_one_worklist_entry_from_its_node(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver()
    assert receiver.call("echoscu").returncode == 0
    paths = write_study(tmp_path / "study", 2)
    sent = send(receiver, paths)
    assert sent.returncode == 0, sent.stdout
    wait_until(settled(2), "both are taken in")

    study = Study.objects.get()
    assert study.created_by == node.account
    assert str(study.created_by) == "CR1 (Room 1)"
    assert study.radiographs.count() == Job.objects.count() == 2
    assert UploadBatch.objects.get().created_by == node.account
    assert Series.objects.get().ae_title == "CR1"
    assert set(ReceivedInstance.objects.values_list("state", flat=True)) == {InboxState.TAKEN}
    wait_until(lambda: not list((tmp_path / "inbox").iterdir()), "the inbox is empty")
    for radiograph in study.radiographs.all():
        with default_storage.open(radiograph.dicom_key) as file:
            assert hashlib.sha256(file.read()).hexdigest() == radiograph.dicom_sha256
    assert audit_actions(actor="dicom:CR1").count("radiograph.stored") == 2
    assert receiver.stop() == 0
    assert verify().intact


def test_every_success_survives_a_kill_and_a_resend_makes_no_duplicate(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    check_that_no_image_is_lost(start_receiver, tmp_path, count=36, associations=1)


def test_every_transfer_syntax_is_stored_as_sent(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver()
    paths = write_images(tmp_path / "images", len(IMAGE_SYNTAXES))
    assert Sending(receiver.port, write_profile(tmp_path), paths, 1).confirmed() == paths
    wait_until(settled(len(paths)), "all are taken in")
    assert set(ReceivedInstance.objects.values_list("state", "reason_code")) == {("taken", "")}
    for path, syntax in zip(paths, IMAGE_SYNTAXES, strict=True):
        row = ReceivedInstance.objects.get(sop_instance_uid=instance_of(path))
        assert row.transfer_syntax_uid == syntax
        assert row.item is not None
        assert row.item.radiograph is not None
        assert data_set(read_original(row.item.radiograph)) == data_set(path.read_bytes())


def test_only_known_nodes_from_known_addresses_calling_our_ae_title_are_accepted(
    start_receiver: Start, node: Node
) -> None:
    receiver = start_receiver()
    unknown = receiver.call("echoscu", calling="CR2")
    assert "Calling AE Title Not Recognized" in unknown.stdout
    wrong = receiver.call("echoscu", called="OTHER")
    assert "Called AE Title Not Recognized" in wrong.stdout
    Node.objects.update(addresses=["192.0.2.0/24"])
    assert "Calling AE Title Not Recognized" in receiver.call("echoscu").stdout
    Node.objects.update(addresses=["127.0.0.0/8"], is_active=False)
    assert receiver.call("echoscu").returncode != 0
    Node.objects.update(is_active=True)
    assert receiver.call("echoscu").returncode == 0
    callers = RejectedCaller.objects.values_list("calling_ae_title", "reason")
    assert set(callers) == {
        ("CR2", "unknown"),
        ("CR1", "called"),
        ("CR1", "address"),
        ("CR1", "inactive"),
    }


def test_non_image_objects_are_refused_or_set_aside_as_configured(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    report = files.dataset(files.phantom())
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"):
        delattr(report, keyword)
    report.SOPClassUID, report.Modality = uid.BasicTextSRStorage, "SR"
    path = tmp_path / "report.dcm"
    path.write_bytes(files.file_bytes(report))
    images = write_study(tmp_path / "study", 1)

    refusing = start_receiver(DICOM_OTHER_OBJECTS="refuse")
    sent = send(refusing, [path, *images], "-R", "-nh")
    assert f"No presentation context for: (SRt) {uid.BasicTextSRStorage}" in sent.stdout, (
        sent.stdout
    )
    wait_until(settled(1), "the image is taken in")
    assert Radiograph.objects.count() == 1
    refusing.stop()

    keeping = start_receiver()
    assert send(keeping, [path], "-R").returncode == 0
    row = ReceivedInstance.objects.get(sop_class_uid=uid.BasicTextSRStorage)
    assert row.state == InboxState.SET_ASIDE
    assert (tmp_path / "inbox" / row.file_name).exists()


def test_a_nearly_full_disk_returns_out_of_resources_and_keeps_nothing(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver(UPLOAD_MIN_FREE_BYTES=str(2**60))
    paths = write_study(tmp_path / "study", 1)
    sent = send(receiver, paths)
    assert "OutOfResources" in sent.stdout.replace(" ", ""), sent.stdout
    assert not ReceivedInstance.objects.exists()
    assert not list((tmp_path / "inbox").iterdir())


def test_of_two_versions_of_an_image_the_later_one_is_held(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver(DICOM_STUDY_QUIET_SECONDS="2")
    first, other = write_study(tmp_path / "study", 2)
    instance = instance_of(first)
    other.write_bytes(files.with_elements(other.read_bytes(), SOPInstanceUID=instance))
    # The first one comes once more, last.
    assert send(receiver, [first, other, first]).returncode == 0
    wait_until(settled(2), "both are settled")
    rows = ReceivedInstance.objects.filter(sop_instance_uid=instance)
    assert [each.state for each in rows.order_by("first_received_at")] == [
        InboxState.TAKEN,
        InboxState.HELD,
    ]
    assert data_set(read_original(Radiograph.objects.get())) == data_set(first.read_bytes())


def test_an_image_that_is_not_a_radiograph_is_refused_with_the_reason_and_kept(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver()
    good, bad = write_study(tmp_path / "study", 2)
    bad.write_bytes(files.with_elements(bad.read_bytes(), Modality="MR"))
    assert send(receiver, [good, bad]).returncode == 0
    wait_until(settled(2), "both are settled")
    refused = ReceivedInstance.objects.get(sop_instance_uid=instance_of(bad))
    assert (refused.state, refused.reason_code) == (InboxState.REFUSED, "wrong_modality")
    assert (tmp_path / "inbox" / refused.file_name).exists()
    assert Radiograph.objects.count() == 1


def test_connections_that_open_and_close_leave_nothing(start_receiver: Start, node: Node) -> None:
    receiver = start_receiver()
    process = psutil.Process(receiver.process.pid)
    assert receiver.call("echoscu").returncode == 0
    before = process.num_fds(), process.num_threads()
    assert all(receiver.call("echoscu").returncode == 0 for _ in range(10))
    memory = process.memory_info().rss
    for _ in range(1000):
        socket.create_connection(("127.0.0.1", receiver.port)).close()
    wait_until(lambda: receiver.call("echoscu").returncode == 0, "there is room again")
    wait_until(
        lambda: process.num_fds() <= before[0] + 2 and process.num_threads() <= before[1] + 2,
        "threads and files are back",
    )
    # A thousand associations that stayed would be some 30 MB.
    assert process.memory_info().rss < memory + 15 * 2**20


def test_a_database_connection_that_breaks_costs_no_image(
    start_receiver: Start, node: Node
) -> None:
    receiver = start_receiver(DICOM_STUDY_QUIET_SECONDS="3600")
    entity = AE("CR1")
    entity.add_requested_context(uid.ComputedRadiographyImageStorage, uid.ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", receiver.port, ae_title="CHESTLINE")
    for number in range(3):
        status = association.send_c_store(files.dataset(files.phantom(seed=number)))
        assert status.Status == dicom_status.SUCCESS
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    association.release()
    assert ReceivedInstance.objects.count() == 3


def test_a_connection_before_the_receiver_has_cleaned_up_waits(
    node: Node,
) -> None:
    server = scp.listen("127.0.0.1", 0)
    try:
        port = server.server_address[1]
        entity = AE("CR1")
        entity.add_requested_context(VERIFICATION)
        with ThreadPoolExecutor(1) as other:
            waiting = other.submit(entity.associate, "127.0.0.1", port, ae_title="CHESTLINE")
            with socket.create_connection(("127.0.0.1", port)):
                assert not server.active_associations
            assert not waiting.done()
            server.start()
            association = waiting.result(timeout=PATIENCE_SECONDS)
        assert association.is_established
        association.release()
    finally:
        server.stop()


def test_what_a_killed_receiver_left_is_cleaned_up_or_recorded(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / ".incoming-1").write_bytes(b"half")
    data = files.dicom(files.phantom())
    (folder / f"{hashlib.sha256(data).hexdigest()}.dcm").write_bytes(data)
    start_receiver()
    assert not (folder / ".incoming-1").exists()
    assert ReceivedInstance.objects.get().state == InboxState.FOUND


def test_with_client_certificates_required_others_are_rejected(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    certificate(tmp_path, "authority")
    certificate(tmp_path, "receiver", "authority")
    certificate(tmp_path, "modality", "authority")
    certificate(tmp_path, "stranger")
    receiver = start_receiver(
        DICOM_TLS_CERTIFICATE=f"{tmp_path}/receiver.pem",
        DICOM_TLS_KEY=f"{tmp_path}/receiver.key",
        DICOM_TLS_CLIENT_CA=f"{tmp_path}/authority.pem",
    )
    trusted = ("+cf", tmp_path / "authority.pem")

    def echo(name: str) -> int:
        own = (tmp_path / f"{name}.key", tmp_path / f"{name}.pem")
        return receiver.call("echoscu", "+tls", *own, *trusted).returncode

    assert receiver.call("echoscu").returncode != 0
    assert echo("stranger") != 0
    # Nor is anybody kept waiting by a client that never begins its handshake.
    with socket.create_connection(("127.0.0.1", receiver.port)):
        assert echo("modality") == 0


def test_associations_beyond_the_limit_are_rejected_transiently(
    start_receiver: Start, node: Node
) -> None:
    receiver = start_receiver(DICOM_ASSOCIATIONS="1")
    entity = AE("CR1")
    entity.add_requested_context(VERIFICATION)
    first = entity.associate("127.0.0.1", receiver.port, ae_title="CHESTLINE")
    assert first.is_established
    assert "Local Limit Exceeded" in receiver.call("echoscu").stdout
    first.release()
    wait_until(lambda: receiver.call("echoscu").returncode == 0, "there is room again")
