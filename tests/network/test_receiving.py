"""Images sent by dcmtk's tools to a real receiver, which is killed in between."""

import hashlib
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pydicom
import pytest
from django.core.files.storage import default_storage
from pydicom import uid
from pynetdicom import AE

from tests import dicom_files as files
from tests.certificates import certificate
from tests.helpers import PATIENCE_SECONDS, audit_actions, wait_until
from tests.network.conftest import Receiver
from webportal.audit.verification import verify
from webportal.inference.models import Job
from webportal.intake.models import UploadBatch, UploadItem
from webportal.network import scp
from webportal.network.models import InboxState, Node, ReceivedInstance, RejectedCaller
from webportal.network.sop_classes import VERIFICATION
from webportal.records.models import Radiograph, Series, Study

pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., Receiver]

SENT = re.compile(r"Sending file: (\S+).*?Received Store Response \((.*?)\)", re.DOTALL)


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


def instance_of(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


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
    receiver = start_receiver(DICOM_STUDY_QUIET_SECONDS="3600")
    paths = write_study(tmp_path / "study", 24)
    command = ["storescu", "-v", "-aet", "CR1", "-aec", "CHESTLINE", "127.0.0.1"]
    sending = subprocess.Popen(
        [*command, str(receiver.port), *map(str, paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: ReceivedInstance.objects.count() >= 8, "some have arrived")
    receiver.kill()
    output, _ = sending.communicate()
    confirmed = [path for path, answer in SENT.findall(output) if answer == "Success"]
    assert 7 <= len(confirmed) < 24, output
    for path in confirmed:
        row = ReceivedInstance.objects.get(sop_instance_uid=instance_of(Path(path)))
        kept = (tmp_path / "inbox" / row.file_name).read_bytes()
        assert hashlib.sha256(kept).hexdigest() == row.sha256

    # Killed once more while it takes them in.
    receiver = start_receiver()
    wait_until(lambda: UploadItem.objects.count() >= 3, "some are taken in")
    receiver.kill()
    receiver = start_receiver()
    assert send(receiver, paths).returncode == 0
    wait_until(settled(24), "all are taken in")
    assert Radiograph.objects.count() == Job.objects.count() == 24
    assert UploadItem.objects.count() == 24
    # A pause before the rest is sent again may have ended the first upload of the study.
    assert Study.objects.count() == 1
    assert set(ReceivedInstance.objects.values_list("state", flat=True)) == {InboxState.TAKEN}
    wait_until(lambda: not list((tmp_path / "inbox").glob("*")), "the inbox is empty")
    assert verify().intact


def test_every_transfer_syntax_is_stored_as_sent(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver()
    encoded: dict[str, bytes] = {
        "-xe": files.dicom(files.phantom(seed=1)),
        "-xi": files.in_byte_order(files.dicom(files.phantom(seed=2)), uid.ImplicitVRLittleEndian),
        "-xb": files.in_byte_order(files.dicom(files.phantom(seed=3)), uid.ExplicitVRBigEndian),
        "-xs": files.compressed(files.dicom(files.phantom(seed=4)), "JPEGLosslessProcess14_1"),
        "-xt": files.compressed(files.dicom(files.phantom(seed=5)), "JPEGLSLossless"),
        "-xv": files.compressed(files.dicom(files.phantom(seed=6)), "JPEG2000Lossless"),
        "-xr": files.compressed(files.dicom(files.phantom(seed=7)), "RLELossless"),
        "-xy": files.encapsulated_jpeg(files.jpeg(files.phantom(seed=8)), files.phantom(seed=8)),
    }
    for option, data in encoded.items():
        path = tmp_path / "image.dcm"
        path.write_bytes(data)
        sent = send(receiver, [path], option)
        assert sent.returncode == 0, sent.stdout
        row = ReceivedInstance.objects.latest("received_at")
        assert row.transfer_syntax_uid == pydicom.dcmread(path).file_meta.TransferSyntaxUID
    wait_until(settled(len(encoded)), "all are taken in")
    states = Counter(ReceivedInstance.objects.values_list("state", "reason_code"))
    assert states == {(InboxState.TAKEN, ""): len(encoded)}


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

    refusing = start_receiver()
    sent = send(refusing, [path, *images], "-R", "-nh")
    assert f"No presentation context for: (SRt) {uid.BasicTextSRStorage}" in sent.stdout, (
        sent.stdout
    )
    wait_until(settled(1), "the image is taken in")
    assert Radiograph.objects.count() == 1
    refusing.stop()

    keeping = start_receiver(DICOM_OTHER_OBJECTS="keep")
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


def test_who_connects_before_the_receiver_has_cleaned_up_waits(
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
