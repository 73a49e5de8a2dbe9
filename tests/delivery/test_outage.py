"""A PACS that is killed while it is being sent results, and starts again: Orthanc, both ways in."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from tests.delivery.conftest import Orthanc, send_all
from tests.factories import make_prediction, make_radiograph
from tests.helpers import audit_actions, let_time_pass, wait_until
from tests.network.conftest import Receiver, start_receiver
from tests.reading import read
from webportal.accounts.models import User
from webportal.delivery import attempts, confirming, running
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    Protocol,
)
from webportal.delivery.senders import sender_for
from webportal.delivery.senders.outcome import Confirmation
from webportal.network.models import StorageRequest, StorageRequestState
from webportal.review.reads.marks import Mark

__all__ = ["start_receiver"]
pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Destination]
STUDIES = 8
INVENTED = "2.25.99"
#: Read, its marks as report and as presentation state, result, region and heat map of each study.
DOCUMENTS = 6 * STUDIES


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that went down with the PACS is asked for again at once."""
    monkeypatch.setattr(running, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(attempts, "CONFIRM_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(confirming, "REPORT_WITHIN", timedelta(seconds=3))
    monkeypatch.setattr(confirming, "_LOOK_AGAIN_SECONDS", 1.0)


@pytest.fixture
def pacs(orthanc: Orthanc, start_receiver: Callable[..., Receiver]) -> Orthanc:
    """An Orthanc that reports to the receiver, also once it has been started again."""
    orthanc.modalities = {"chestline": ["CHESTLINE", "127.0.0.1", start_receiver().port]}
    orthanc.start()
    return orthanc


@contextmanager
def sending() -> Iterator[None]:
    """Send in the background, as the process does that sends."""
    stopping = threading.Event()

    def work() -> None:
        running.run(stopping)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def stored(pacs: Orthanc) -> Counter[str]:
    """How often the PACS has each instance, by its UID."""
    found = [pacs.ask(f"instances/{each}/simplified-tags") for each in pacs.ask("instances")]
    return Counter(each["SOPInstanceUID"] for each in found)


@pytest.mark.parametrize("protocol", [Protocol.DICOM, Protocol.DICOMWEB])
def test_each_result_arrives_once_though_the_pacs_is_killed_twice(
    pacs: Orthanc, make_destination: Make, radiologist: User, protocol: Protocol
) -> None:
    fields: dict[str, Any] = {"port": pacs.port}
    if protocol == Protocol.DICOMWEB:
        fields = {"url": f"http://127.0.0.1:{pacs.http_port}/dicom-web"}
    destination = make_destination(protocol=protocol, sends=list(Content), confirms=True, **fields)
    for _ in range(STUDIES):
        image = make_radiograph(size=(300, 240))
        mark = Mark(image.pk, "pneumonia", 5, 6, 20, 21)
        read(make_prediction(image), radiologist, "definite", marks=(mark,))
    let_time_pass()
    sent = Delivery.objects.exclude(state=DeliveryState.WAITING)

    def was_missed() -> bool:
        destination.refresh_from_db()
        return destination.failures > 0

    with sending():
        for so_many in (DOCUMENTS // 4, DOCUMENTS // 2):
            wait_until(lambda: sent.count() >= so_many, "some have been sent")  # noqa: B023
            pacs.stop()
            wait_until(was_missed, "the PACS is missed")
            pacs.start()
        delivered = Delivery.objects.filter(state=DeliveryState.DELIVERED)
        wait_until(lambda: delivered.count() == DOCUMENTS, "all are delivered and confirmed")
    rows = list(Delivery.objects.select_related("document"))
    assert stored(pacs) == Counter(row.document.sop_instance_uid for row in rows)
    assert {(row.state, row.reason_code) for row in rows} == {(DeliveryState.DELIVERED, "")}
    assert all(row.settled_at for row in rows)
    assert len(audit_actions(action="delivery.confirmed")) == len(rows) == DOCUMENTS
    if protocol == Protocol.DICOM:
        reported = StorageRequest.objects.filter(state=StorageRequestState.REPORTED)
        committed = {uid for each in reported for uid in each.committed}
        assert committed == {row.document.sop_instance_uid for row in rows}


def test_orthanc_reports_an_invented_instance_as_missing(
    pacs: Orthanc, make_destination: Make
) -> None:
    destination = make_destination(
        pacs.port, sends=[Content.RESULTS], results_when="at_once", confirms=True
    )
    make_prediction(category="unlikely")
    (row,) = send_all(destination)
    document = row.document
    invented = Delivery(
        document=Document(sop_instance_uid=INVENTED, sop_class_uid=document.sop_class_uid)
    )
    sender = sender_for(destination)
    answer = sender.confirm([row, invented])
    sender.close()
    assert isinstance(answer, Confirmation)
    request = answer.request
    assert request is not None

    def is_reported() -> bool:
        request.refresh_from_db()
        return request.state == StorageRequestState.REPORTED

    wait_until(is_reported, "the PACS has reported")
    assert request.failed == {INVENTED: 0x0112}
    assert request.committed == [document.sop_instance_uid]
