"""Peers that send too much, too slowly or too often, against a real receiver."""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connection
from pydicom import uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dsutils import encode

from tests import dicom_files as files
from tests.helpers import PATIENCE_SECONDS, wait_until
from tests.network.conftest import Receiver
from tests.network.rows import make_node
from webportal import dicom_status
from webportal.network.models import Node, ReceivedInstance, RejectedCaller

pytestmark = pytest.mark.django_db(transaction=True)
Start = Callable[..., Receiver]

P_DATA_TF, A_ASSOCIATE_RQ, A_ASSOCIATE_RJ, A_ABORT = 0x04, 0x01, 0x03, 0x07
DATA, LAST_DATA, LAST_COMMAND = 0, 2, 3


def associate(receiver: Receiver, calling: str = "CR1") -> Association:
    entity = AE(calling)
    entity.add_requested_context(uid.ComputedRadiographyImageStorage, uid.ExplicitVRLittleEndian)
    return entity.associate("127.0.0.1", receiver.port, ae_title="CHESTLINE")


@contextmanager
def connected(receiver: Receiver) -> Iterator[socket.socket]:
    """A connection of which nothing is known yet."""
    with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
        peer.settimeout(PATIENCE_SECONDS)
        yield peer


def wire(association: Association) -> socket.socket:
    """The connection of an association, to send on it what pynetdicom would not."""
    assert association.dul.socket is not None
    peer = association.dul.socket.socket
    assert peer is not None
    return peer


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def fragment(association: Association, control: int, data: bytes) -> bytes:
    context = association.accepted_contexts[0].context_id
    return pdu(P_DATA_TF, struct.pack(">LBB", len(data) + 2, context, control) + data)


def store_request(instance: bytes = b"") -> bytes:
    """The command of a C-STORE (PS3.7 9.3.1.1), in Implicit VR Little Endian."""
    sop_class = uid.ComputedRadiographyImageStorage.encode() + b"\0"
    instance = instance or uid.generate_uid().encode()
    instance += b"\0" * (len(instance) % 2)
    elements = [
        (0x0002, sop_class),
        (0x0100, struct.pack("<H", 1)),
        (0x0110, struct.pack("<H", 1)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 1)),
        (0x1000, instance),
    ]
    said = b"".join(struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHLL", 0, 0, 4, len(said)) + said


def has_taken(peer: socket.socket, data: bytes, times: int, pause_seconds: float = 0) -> bool:
    """Whether the receiver lets a peer send the same so many times."""
    try:
        for _ in range(times):
            peer.sendall(data)
            time.sleep(pause_seconds)
    except OSError:
        return False
    return True


def is_ended(peer: socket.socket) -> bool:
    """Whether the receiver closes the connection, after an abort or without one."""
    try:
        return (answer := peer.recv(100)) == b"" or answer[0] == A_ABORT
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("kind", [P_DATA_TF, A_ASSOCIATE_RQ])
def test_a_pdu_that_is_too_long_is_not_read(start_receiver: Start, node: Node, kind: int) -> None:
    receiver = start_receiver()
    process = psutil.Process(receiver.process.pid)
    assert receiver.call("echoscu").returncode == 0
    before = process.memory_info().rss
    with connected(receiver) as peer:
        # It must not be left to find out by itself that nobody reads.
        peer.settimeout(30)
        peer.sendall(struct.pack(">BxL", kind, 2**32 - 1))
        with pytest.raises(ConnectionError):
            peer.sendall(bytes(400 * 2**20))
    assert process.memory_info().rss < before + 50 * 2**20
    assert receiver.call("echoscu").returncode == 0


def test_an_association_whose_pdu_is_longer_than_negotiated_is_aborted(
    start_receiver: Start, node: Node
) -> None:
    receiver = start_receiver(DICOM_PDU_BYTES="4096")
    association = associate(receiver)
    assert association.is_established
    wire(association).sendall(struct.pack(">BxL", P_DATA_TF, 4097))
    wait_until(lambda: association.is_aborted, "the association is aborted")
    wait_until(lambda: "longer than DICOM_PDU_BYTES" in receiver.log.read_text(), "it is logged")


def test_an_instance_larger_than_an_upload_is_aborted_and_shown(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver(UPLOAD_MAX_BYTES="100000")
    small, large = tmp_path / "small.dcm", tmp_path / "large.dcm"
    small.write_bytes(files.dicom(files.phantom(size=(200, 200))))
    large.write_bytes(files.dicom(files.phantom(size=(400, 400))))
    assert receiver.call("storescu", large).returncode != 0
    assert receiver.call("storescu", small).returncode == 0
    assert ReceivedInstance.objects.count() == 1
    caller = RejectedCaller.objects.get()
    assert (caller.calling_ae_title, caller.reason) == ("CR1", "too_large")


def test_requests_that_await_no_answer_are_not_kept_without_limit(
    start_receiver: Start, node: Node
) -> None:
    receiver = start_receiver(UPLOAD_MAX_BYTES="1000000")
    association = associate(receiver)
    request = fragment(association, LAST_COMMAND, store_request())
    request += fragment(association, LAST_DATA, b"\0" * 300_000)
    assert not has_taken(wire(association), request, times=400)
    wait_until(lambda: association.is_aborted, "the association is aborted")


def test_a_data_set_without_an_end_is_aborted(start_receiver: Start, node: Node) -> None:
    receiver = start_receiver(UPLOAD_MAX_BYTES="1000000")
    association = associate(receiver)
    wire(association).sendall(fragment(association, LAST_COMMAND, store_request()))
    part = fragment(association, DATA, b"\0" * 30_000)
    assert not has_taken(wire(association), part, times=2000)
    wait_until(lambda: association.is_aborted, "the association is aborted")


def test_an_instance_that_cannot_be_recorded_is_refused_for_good(
    start_receiver: Start, node: Node
) -> None:
    association = associate(start_receiver())
    answers: list[int] = []
    association.bind(
        evt.EVT_DIMSE_RECV, lambda event: answers.append(event.message.command_set.Status)
    )
    request = fragment(association, LAST_COMMAND, store_request(b"1.2\x003.4"))
    data = encode(files.dataset(files.phantom(size=(100, 100))), False, True)
    assert data is not None
    wire(association).sendall(request + fragment(association, LAST_DATA, data))
    wait_until(lambda: bool(answers), "it is answered")
    assert answers == [dicom_status.CANNOT_UNDERSTAND]
    assert not ReceivedInstance.objects.exists()
    association.abort()


def test_many_small_instances_are_no_large_one(
    start_receiver: Start, node: Node, tmp_path: Path
) -> None:
    receiver = start_receiver(UPLOAD_MAX_BYTES="100000")
    paths = [tmp_path / f"{number}.dcm" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(files.dicom(files.phantom(seed=number, size=(200, 200))))
    assert receiver.call("storescu", *paths).returncode == 0
    assert ReceivedInstance.objects.count() == 5


def test_a_request_that_is_never_complete_ends(start_receiver: Start, node: Node) -> None:
    receiver = start_receiver(DICOM_ANSWER_SECONDS="1")
    begun = [b"", b"\x01\0\0", struct.pack(">BxL", A_ASSOCIATE_RQ, 1000)]
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(receiver)) for _ in begun]
        for peer, sent in zip(peers, begun, strict=True):
            peer.sendall(sent)
        assert all(is_ended(peer) for peer in peers)


def test_a_request_of_one_byte_at_a_time_ends(start_receiver: Start, node: Node) -> None:
    receiver = start_receiver(DICOM_ANSWER_SECONDS="1")
    with connected(receiver) as peer:
        peer.sendall(struct.pack(">BxL", A_ASSOCIATE_RQ, 10_000))
        assert not has_taken(peer, b"\0", times=1000, pause_seconds=0.05)


def test_a_pdu_that_is_never_complete_ends_its_association(
    start_receiver: Start, node: Node
) -> None:
    receiver = start_receiver(DICOM_IDLE_SECONDS="1")
    association = associate(receiver)
    wire(association).sendall(struct.pack(">BxL", P_DATA_TF, 1000))
    wait_until(lambda: association.is_aborted, "the association is aborted")


def test_one_address_does_not_use_up_the_connections(start_receiver: Start, node: Node) -> None:
    receiver = start_receiver(DICOM_ANSWER_SECONDS="3600")
    process = psutil.Process(receiver.process.pid)
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(receiver)) for _ in range(60)]
        wait_until(lambda: sum(map(is_closed, peers)) == 20, "those beyond forty are closed")
        assert process.num_threads() < 100
    wait_until(lambda: receiver.call("echoscu").returncode == 0, "there is room again")


def test_strangers_who_come_together_take_few_database_connections(
    start_receiver: Start, node: Node
) -> None:
    receiver = start_receiver()
    asked: list[bytes] = []
    entity = AE("STRANGER")
    entity.add_requested_context(uid.ComputedRadiographyImageStorage)
    handlers: list[Any] = [(evt.EVT_DATA_SENT, lambda event: asked.append(event.data))]
    entity.associate("127.0.0.1", receiver.port, ae_title="CHESTLINE", evt_handlers=handlers)
    with ExitStack() as stack:
        peers = [stack.enter_context(connected(receiver)) for _ in range(35)]
        for peer in peers:
            peer.sendall(asked[0])
        most = 0
        while len(select.select(peers, [], [], 0)[0]) < len(peers):
            most = max(most, database_connections())
        assert {peer.recv(100)[0] for peer in peers} == {A_ASSOCIATE_RJ}
    assert most < 15
    assert receiver.call("echoscu").returncode == 0


def database_connections() -> int:
    """How many connections the test's database has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        [count] = cursor.fetchone()
    return int(count)


def is_closed(peer: socket.socket) -> bool:
    """Whether the receiver has closed a connection by now."""
    # It sends nothing to a peer that has said nothing.
    return bool(select.select([peer], [], [], 0)[0])


def test_one_node_does_not_use_up_the_associations(start_receiver: Start, node: Node) -> None:
    make_node("CR2")
    receiver = start_receiver(DICOM_ASSOCIATIONS_PER_NODE="2")
    open_ones = [associate(receiver) for _ in range(3)]
    assert [each.is_established for each in open_ones] == [True, True, False]
    other = associate(receiver, calling="CR2")
    assert other.is_established
    for each in (*open_ones[:2], other):
        each.release()
