"""Destinations confirm what they have stored: Orthanc by storage commitment and by QIDO-RS."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import requests
from django.db.models import F
from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pytest_django.fixtures import Settings

from tests.delivery.conftest import Orthanc, StoreScp, send_all
from tests.factories import make_prediction
from tests.helpers import audit_actions, wait_until
from tests.network.conftest import Receiver, start_receiver
from webportal.database.clock import clock
from webportal.delivery import attempts, health
from webportal.delivery.models import Delivery, Destination, Protocol
from webportal.delivery.senders.dicom import PROPOSED
from webportal.network.commitment import INSTANCE
from webportal.network.models import StorageRequest
from webportal.network.sop_classes import COMMITMENT, IMAGES, PLAIN_SYNTAXES, VERIFICATION

__all__ = ["start_receiver"]
pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Destination]
Start = Callable[..., Receiver]
WAITING, STORED, DELIVERED, REJECTED = "waiting", "stored", "delivered", "rejected"


@pytest.fixture(autouse=True)
def _ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "CONFIRM_AFTER_SECONDS", 0.0)


@pytest.fixture
def pacs(orthanc: Orthanc, start_receiver: Start) -> Orthanc:
    """An Orthanc that reports to the receiver."""
    receiver = start_receiver()
    orthanc.start()
    known = ["CHESTLINE", "127.0.0.1", receiver.port]
    at = f"http://127.0.0.1:{orthanc.http_port}/modalities/chestline"
    requests.put(at, json=known, timeout=10).raise_for_status()
    return orthanc


def states(destination: Destination) -> set[str]:
    return {row.state for row in send_all(destination)}


def is_missing(destination: Destination, times: int) -> bool:
    return send_all(destination)[0].missing == times


def lose_everything(pacs: Orthanc) -> None:
    for each in pacs.ask("instances"):
        at = f"http://127.0.0.1:{pacs.http_port}/instances/{each}"
        requests.delete(at, timeout=10).raise_for_status()


def send_and_ask_later(destination: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(attempts, "CONFIRM_AFTER_SECONDS", 3600.0)
        wait_until(lambda: states(destination) == {STORED}, "everything is stored")
    Delivery.objects.update(next_attempt_at=F("created_at"))


@pytest.fixture
def archive(store_scp: StoreScp, make_destination: Make) -> Destination:
    """A PACS that has taken a document, and offers no storage commitment."""
    store_scp.start()
    destination = make_destination(store_scp.port, results_when="at_once", confirms=True)
    make_prediction(category="unlikely")
    assert states(destination) == {STORED}
    return destination


def test_a_pacs_confirms_what_it_has_stored(pacs: Orthanc, make_destination: Make) -> None:
    destination = make_destination(pacs.port, results_when="at_once", confirms=True)
    make_prediction()
    wait_until(lambda: states(destination) == {DELIVERED}, "the reports have come")
    assert len(pacs.ask("instances")) == 2
    assert audit_actions(action__startswith="delivery.") == [
        *["delivery.sent"] * 2,
        *["delivery.confirmed"] * 2,
    ]
    assert StorageRequest.objects.get().failed == {}


def test_what_a_pacs_has_lost_is_sent_again_and_in_the_end_rejected(
    pacs: Orthanc, make_destination: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = make_destination(pacs.port, results_when="at_once", confirms=True)
    make_prediction(category="unlikely")
    for missing in (1, 2, 3):
        send_and_ask_later(destination, monkeypatch)
        lose_everything(pacs)
        wait_until(partial(is_missing, destination, missing), "it is reported missing")
    (row,) = send_all(destination)
    assert (row.state, row.reason_code, row.attempts) == (REJECTED, "not_kept", 3)
    assert row.answer == "0x0112"


def test_qido_finds_what_is_missing_and_it_is_sent_again(
    orthanc: Orthanc, make_destination: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    orthanc.start()
    url = f"http://127.0.0.1:{orthanc.http_port}/dicom-web"
    destination = make_destination(
        protocol=Protocol.DICOMWEB, url=url, results_when="at_once", confirms=True
    )
    make_prediction(category="unlikely")
    send_and_ask_later(destination, monkeypatch)
    lose_everything(orthanc)
    wait_until(lambda: states(destination) == {DELIVERED}, "it is there again")
    (row,) = send_all(destination)
    assert (row.missing, row.attempts) == (1, 2)
    assert len(orthanc.ask("instances")) == 1


class Pacs:
    """A PACS that reports on the association on which it was asked."""

    def __init__(self) -> None:
        entity = AE("PACS")
        for sop_class, syntaxes in PROPOSED:
            entity.add_supported_context(sop_class, list(syntaxes))
        entity.add_supported_context(COMMITMENT, list(PLAIN_SYNTAXES))
        handlers: list[Any] = [
            (evt.EVT_C_STORE, lambda _event: 0x0000),
            (evt.EVT_N_ACTION, self._asked),
        ]
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        assert server is not None
        self.server = server
        self.port: int = server.server_address[1]
        self.answers: list[int] = []

    def _asked(self, event: Event) -> tuple[int, None]:
        threading.Thread(target=self._report, args=(event.assoc, event.action_information)).start()
        return 0x0000, None

    def _report(self, association: Any, information: Dataset) -> None:
        time.sleep(0.3)
        status, _reply = association.send_n_event_report(information, 1, COMMITMENT, INSTANCE)
        self.answers.append(int(status.Status))


@pytest.fixture
def reporting() -> Iterator[Pacs]:
    peer = Pacs()
    yield peer
    peer.server.shutdown()


def test_a_report_may_come_on_the_association_that_asked(
    reporting: Pacs, make_destination: Make
) -> None:
    destination = make_destination(reporting.port, results_when="at_once", confirms=True)
    make_prediction(category="unlikely")
    wait_until(lambda: states(destination) == {DELIVERED}, "the report has come")
    wait_until(lambda: reporting.answers == [0x0000], "the report is answered")


def test_a_pacs_that_confirms_nothing_is_seen_and_rejects_in_the_end(
    archive: Destination, store_scp: StoreScp
) -> None:
    (row,) = send_all(archive)
    assert (row.state, row.reason_code) == (STORED, "commitment_not_offered")
    Delivery.objects.update(
        stored_at=F("stored_at") - timedelta(days=2), next_attempt_at=F("created_at")
    )
    (row,) = send_all(archive)
    assert (row.state, row.reason_code) == (REJECTED, "commitment_not_offered")
    assert len(store_scp.received()) == 1


def test_what_waits_for_a_confirmation_is_delivered_once_none_is_wanted(
    archive: Destination, store_scp: StoreScp
) -> None:
    Delivery.objects.update(next_attempt_at=F("created_at"))
    Destination.objects.update(confirms=False)
    archive.refresh_from_db()
    assert states(archive) == {DELIVERED}
    assert len(store_scp.received()) == 1


def test_a_node_that_may_only_report_may_not_store(start_receiver: Start) -> None:
    receiver = start_receiver()
    entity = AE("PACS")
    sop_class, syntaxes = IMAGES[0], PLAIN_SYNTAXES
    for each in (VERIFICATION, sop_class):
        entity.add_requested_context(each, list(syntaxes))

    def associate() -> Any:
        return entity.associate("127.0.0.1", receiver.port, ae_title="CHESTLINE")

    assert associate().is_rejected
    StorageRequest.objects.create(
        ae_title="PACS",
        address="127.0.0.1",
        transaction_uid="2.25.1",
        asked_at="2026-01-01T00:00:00Z",
    )
    association = associate()
    assert association.is_established
    instance = Dataset()
    instance.SOPClassUID, instance.SOPInstanceUID = sop_class, "2.25.2"
    instance.file_meta = FileMetaDataset()
    instance.file_meta.TransferSyntaxUID = syntaxes[0]
    assert association.send_c_store(instance).Status == 0x0124
    association.release()


def stored(destination: Destination) -> Delivery:
    """A document that the PACS has taken, which is to be asked for now."""
    Delivery.objects.update(next_attempt_at=F("created_at"))
    return Delivery.objects.select_related("document").get(destination=destination)


def report(delivery: Delivery, minutes: int, *, failed: bool = False) -> StorageRequest:
    """A report on a document, for a request so long after it was stored."""
    assert delivery.stored_at is not None
    instance = delivery.document.sop_instance_uid
    return StorageRequest.objects.create(
        ae_title="PACS",
        address="127.0.0.1",
        transaction_uid=f"2.25.{minutes + 100}",
        state="reported",
        asked_at=delivery.stored_at + timedelta(minutes=minutes),
        reported_at=clock(),
        committed=[instance],
        failed={instance: 0x0110} if failed else {},
    )


def test_a_report_that_comes_after_the_pacs_was_asked_again_counts(archive: Destination) -> None:
    report(stored(archive), -1)
    assert states(archive) == {STORED}
    report(stored(archive), 1, failed=True)
    assert states(archive) == {STORED}
    report(stored(archive), 2)
    assert states(archive) == {DELIVERED}


def test_a_report_that_says_both_does_not_count_as_a_confirmation(archive: Destination) -> None:
    row = stored(archive)
    row.confirmation = report(row, 1, failed=True)
    row.save()
    assert is_missing(archive, 1)


def test_what_prevents_a_commitment_request_is_reported(
    archive: Destination, store_scp: StoreScp, settings: Settings
) -> None:
    stored(archive)
    Destination.objects.update(uses_tls=True)
    archive.refresh_from_db()
    settings.DELIVERY_CA = "/nowhere/ca.pem"
    (row,) = send_all(archive)
    assert (row.state, row.reason_code) == (STORED, "certificate_unreadable")
    stored(archive)
    Destination.objects.update(uses_tls=False)
    archive.refresh_from_db()
    store_scp.stop()
    wait_until(lambda: send_all(archive)[0].reason_code == "not_asked", "it is asked again")
    assert states(archive) == {STORED}


def test_a_pacs_that_is_away_when_it_is_to_confirm_raises_the_alert_until_it_is_back(
    archive: Destination, store_scp: StoreScp
) -> None:
    store_scp.stop()
    stored(archive)
    send_all(archive)
    Destination.objects.update(away_since=F("away_since") - timedelta(hours=1))
    assert health.problems() == [health.AWAY]
    store_scp.start()
    stored(archive)
    wait_until(lambda: bool(send_all(archive)) and not health.problems(), "it is back")
