"""What Chestline asks of devices by TLS: dcmtk's storescp, and servers behind a TLS terminator."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.certificates import certificate, write_certificates
from tests.delivery.conftest import StoreScp, make_destination, send_all, store_scp
from tests.factories import make_prediction
from tests.helpers import free_port
from tests.network.rows import make_commitment, make_node
from tests.network.test_commitment import Device
from tests.network.test_prior_arrivals import make_prior, phantom_study, set_source
from tests.network.test_priors import OLD, QueryScp, image, pacs
from tests.network.test_worklist import worklist
from tests.network.worklists import Worklist, arrived, ask, linked, make_ris
from webportal.accounts.models import User
from webportal.database.clock import clock
from webportal.delivery import destinations
from webportal.delivery.models import DeliveryState, Destination, Protocol
from webportal.delivery.senders.outcome import SendResult
from webportal.network import echo, outgoing
from webportal.network.models import Node, PriorProtocol, PriorRequest, PriorState, PriorStudy

__all__ = ["make_destination", "pacs", "phantom_study", "store_scp", "worklist"]
pytestmark = pytest.mark.django_db(transaction=True)


class TlsStoreScp(StoreScp):
    """storescp that requires a certificate of its clients."""

    def command(self) -> list[str]:
        folder = self.folder.parent
        own = [str(folder / name) for name in ("server.key", "server.pem")]
        program, *rest = super().command()
        return [program, "+tls", *own, "+cf", str(folder / "ca.pem"), "-rc", *rest]


@pytest.fixture
def certificates(tmp_path: Path, settings: Settings) -> Path:
    """A folder with certificates; the portal trusts their authority and has one of them."""
    write_certificates(tmp_path)
    settings.DELIVERY_CA = str(tmp_path / "ca.pem")
    settings.DICOM_TLS_CERTIFICATE = str(tmp_path / "portal.pem")
    settings.DICOM_TLS_KEY = str(tmp_path / "portal.key")
    return tmp_path


@pytest.fixture
def device(certificates: Path) -> Iterator[TlsStoreScp]:
    peer = TlsStoreScp(certificates / "received")
    peer.start()
    yield peer
    peer.stop()


@pytest.fixture
def behind_tls(certificates: Path) -> Iterator[Callable[[int], int]]:
    """Put a TLS terminator before a port, which checks its clients; returns its own port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listeners: list[socket.socket] = []

    def start(behind: int) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, behind), daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    def serve(listener: socket.socket, behind: int) -> None:
        while True:
            try:
                plain, _address = listener.accept()
                outer = context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            inner = socket.create_connection(("127.0.0.1", behind))
            for one, other in ((outer, inner), (inner, outer)):
                threading.Thread(target=pump, args=(one, other), daemon=True).start()

    def pump(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    yield start
    for each in listeners:
        each.close()


def test_a_device_that_requires_a_certificate_is_reached(
    device: TlsStoreScp, it_person: User, settings: Settings
) -> None:
    node = make_node("PACS", port=device.port, uses_tls=True)
    assert echo.echo(node, it_person) == (True, "It answered.")
    settings.DICOM_TLS_CERTIFICATE = settings.DICOM_TLS_KEY = ""
    answered, words = echo.echo(node, it_person)
    assert not answered
    assert "does not accept the TLS connection" in words


def test_a_device_whose_certificate_is_not_trusted_is_told_apart_from_one_that_is_away(
    device: TlsStoreScp, it_person: User, settings: Settings, certificates: Path
) -> None:
    node = make_node("PACS", port=device.port, uses_tls=True, certificate_name="pacs.example")
    assert "certificate of the device is not trusted" in echo.echo(node, it_person)[1]
    node.certificate_name = "server"
    assert echo.echo(node, it_person)[0]
    certificate(certificates, "stranger")
    settings.DELIVERY_CA = str(certificates / "stranger.pem")
    assert "certificate of the device is not trusted" in echo.echo(node, it_person)[1]
    node.port = free_port()
    assert "Nothing responds" in echo.echo(node, it_person)[1]
    settings.DELIVERY_CA = str(certificates / "missing.pem")
    assert "A certificate cannot be read" in echo.echo(node, it_person)[1]


def test_a_device_without_tls_is_not_taken_for_one_with_it(
    certificates: Path, store_scp: StoreScp, it_person: User
) -> None:
    store_scp.start()
    node = make_node("PACS", port=store_scp.port, uses_tls=True)
    answered, words = echo.echo(node, it_person)
    assert not answered
    assert "does not accept the TLS connection" in words


def test_results_are_sent_by_tls(
    device: TlsStoreScp, make_destination: Callable[..., Destination]
) -> None:
    destination = make_destination(device.port, uses_tls=True, results_when="at_once")
    make_prediction()
    rows = send_all(destination)
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}
    assert len(device.received()) == len(rows) == 2


@pytest.mark.parametrize("protocol", [Protocol.DICOM, Protocol.HL7])
def test_the_certificate_of_a_destination_may_have_another_name_than_its_host(
    device: TlsStoreScp,
    make_destination: Callable[..., Destination],
    it_person: User,
    sign_in: Callable[[User], Client],
    protocol: Protocol,
) -> None:
    destination = make_destination(device.port, protocol=protocol, uses_tls=True)
    values = {"name": "X", "host": "127.0.0.1", "port": device.port, "ae_title": "PACS"}
    more = {"sends": "reads", "results_when": "closed", "uses_tls": "on"}
    place = reverse("delivery:destination", args=[destination.pk])
    client = sign_in(it_person)
    reached = {}
    for name in ("pacs.hospital.example", "server", ""):
        answer = client.post(place, {**values, **more, "certificate_name": name})
        assert answer.status_code == 302
        destination.refresh_from_db()
        assert destination.certificate_name == name
        outcome = destinations.test(destination, it_person)
        reached[name] = outcome.result == SendResult.DELIVERED
    assert reached == {"pacs.hospital.example": False, "server": True, "": True}


@pytest.mark.parametrize("protocol", [PriorProtocol.GET, PriorProtocol.MOVE])
def test_earlier_studies_are_asked_for_by_tls(
    pacs: QueryScp, behind_tls: Callable[[int], int], protocol: PriorProtocol
) -> None:
    pacs.start()
    pacs.keep(image(OLD, 1, StudyInstanceUID="2.25.7"))
    node = make_node("PACS", port=behind_tls(pacs.port), uses_tls=True)
    set_source(node, protocol=protocol)
    make_prior(node, PriorState.REFUSED, next_attempt_at=clock())
    outgoing.serve(node.pk, threading.Event())
    found = PriorStudy.objects.get(study_instance_uid="2.25.7")
    if protocol == PriorProtocol.GET:
        assert found.state == PriorState.FETCHED
    else:  # there is no receiver for what C-MOVE sends
        assert PriorRequest.objects.get().reason_code == "retrieve_failed"


def test_storage_commitment_is_reported_by_tls(behind_tls: Callable[[int], int]) -> None:
    device = Device(free_port())
    device.listen()
    node = make_node(port=behind_tls(device.port), uses_tls=True)
    make_commitment(node, instances=[["1.2.840.10008.5.1.4.1.1.1", "2.25.2"]])
    outgoing.serve(node.pk, threading.Event())
    device.stop()
    assert set(device.report()[2]) == {"2.25.2"}


def test_a_worklist_is_asked_by_tls(worklist: Worklist, behind_tls: Callable[[int], int]) -> None:
    worklist.add()
    ris = make_ris(behind_tls(worklist.port), uses_tls=True)
    with transaction.atomic():
        study = arrived()
    assert ask(ris) == 1
    assert len(linked(study)) == 1


def test_it_is_set_on_the_page_of_the_device(
    it_person: User, sign_in: Callable[[User], Client]
) -> None:
    node = make_node("PACS", port=2762)
    client = sign_in(it_person)
    values = {"addresses": "127.0.0.1", "port": "2762", "is_active": "on"}
    more = {"uses_tls": "on", "certificate_name": "pacs.hospital.example"}
    place = reverse("network:node", args=[node.pk])
    assert client.post(place, values | more).status_code == 302
    node = Node.objects.get(pk=node.pk)
    assert (node.uses_tls, node.certificate_name) == (True, "pacs.hospital.example")
    assert b"pacs.hospital.example" in client.get(place).content
    client.post(place, values)
    assert not Node.objects.get(pk=node.pk).uses_tls
