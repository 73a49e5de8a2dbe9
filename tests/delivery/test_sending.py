"""Sending to real peers that are stopped, started, hang and refuse."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections, transaction
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event

from tests import services
from tests.delivery.conftest import Orthanc, StoreScp, send_all
from tests.factories import make_prediction
from tests.helpers import audit_actions, let_time_pass, wait_until
from tests.reading import read
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.delivery import attempts, planning, running
from webportal.delivery.making import make
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.delivery.senders import sender_for
from webportal.delivery.senders.dicom import PROPOSED

Make = Callable[..., Destination]
ROOT = Path(__file__).resolve().parents[2]


def instances(rows: list[Delivery]) -> Counter[str]:
    return Counter(row.document.sop_instance_uid for row in rows)


@pytest.mark.django_db
def test_everything_reaches_a_pacs_once_and_the_trail_says_what_left(
    store_scp: StoreScp, make_destination: Make, radiologist: User
) -> None:
    store_scp.start()
    destination = make_destination(store_scp.port)
    read(make_prediction(), radiologist, "definite")
    let_time_pass()
    rows = send_all(destination)
    assert [row.document.kind for row in rows] == [
        DocumentKind.RESULT,
        DocumentKind.RESULT_REGION,
        DocumentKind.REPORT,
    ]
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}
    came = store_scp.received()
    assert Counter(each.SOPInstanceUID for each in came) == instances(rows)
    assert send_all(destination) == rows
    assert len(store_scp.received()) == 3
    sent = AuditEntry.objects.filter(action="delivery.sent").order_by("sequence")
    assert [each.detail["sop_instance_uid"] for each in sent] == list(instances(rows))
    assert {each.study_id for each in sent} == {rows[0].document.study_id}
    assert sent[0].detail["address"] == f"PACS@127.0.0.1:{store_scp.port}"


@pytest.mark.django_db(transaction=True)
def test_two_destinations_get_the_same_bytes(make_destination: Make) -> None:
    """Both want the document at the same moment: one makes it, the other waits for that."""
    make_prediction(category="unlikely")
    fields = {"sends": [Content.RESULTS], "results_when": "at_once"}
    scps = [Scp(), Scp()]
    first, second = [
        make_destination(scp.port, name=f"PACS {number}", **fields)
        for number, scp in enumerate(scps)
    ]
    planning.plan()

    def serve() -> None:
        running.serve(second, threading.Event())
        connection.close()

    with transaction.atomic():
        document = Document.objects.select_for_update().get()
        other = threading.Thread(target=serve)
        other.start()
        wait_until(somebody_waits_for_a_lock, "the other one waits")
        make(document)
    other.join()
    running.serve(first, threading.Event())
    for scp in scps:
        scp.server.shutdown()
    digests = AuditEntry.objects.filter(action="delivery.sent").values_list("detail", flat=True)
    assert [each["sha256"] for each in digests] == [document.sha256] * 2


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks mine JOIN pg_locks theirs"
            " USING (transactionid) WHERE mine.pid = pg_backend_pid() AND NOT theirs.granted)"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db
def test_what_a_stopped_pacs_missed_reaches_it_when_it_is_back(
    orthanc: Orthanc, make_destination: Make, radiologist: User
) -> None:
    orthanc.start()
    destination = make_destination(orthanc.port)
    for _ in range(2):
        read(make_prediction(), radiologist, "definite")
    let_time_pass()
    planning.plan()
    first = attempts.due(destination).first()
    assert first is not None
    sender = sender_for(destination)
    attempts.attempt(first, sender)
    sender.close()
    orthanc.stop()
    rows = send_all(destination)
    assert Counter(row.state for row in rows) == {"delivered": 1, "waiting": 5}
    destination.refresh_from_db()
    assert destination.failures >= 1
    assert destination.retry_at

    orthanc.start()
    wait_until(lambda: attempts.is_open(destination), "it is tried again")
    rows = send_all(destination)
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}
    found = [orthanc.ask(f"instances/{each}/simplified-tags") for each in orthanc.ask("instances")]
    assert Counter(each["SOPInstanceUID"] for each in found) == instances(rows)
    destination.refresh_from_db()
    assert destination.failures == 0
    assert not destination.retry_at


class Scp:
    """A PACS whose answers the test chooses: statuses, or 'abort' for none."""

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.received: list[str] = []
        entity = AE(ae_title="PACS")
        for sop_class, syntaxes in PROPOSED:
            entity.add_supported_context(sop_class, list(syntaxes))
        server: Any = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        self.server = server
        self.port: int = server.socket.getsockname()[1]

    def _store(self, event: Event) -> int | Dataset:
        request: Any = event.request
        self.received.append(str(request.AffectedSOPInstanceUID))
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, str):
            event.assoc.abort()
            return 0
        return answer


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        (0xB000, DeliveryState.DELIVERED, ""),
        (0x0111, DeliveryState.DELIVERED, ""),
        (0xA900, DeliveryState.REJECTED, "rejected_by_destination"),
        (0xC123, DeliveryState.REJECTED, "rejected_by_destination"),
    ],
)
def test_a_definite_answer_ends_a_delivery(
    make_destination: Make, answer: int, state: str, code: str
) -> None:
    scp = Scp(answer)
    destination = make_destination(scp.port, sends=[Content.RESULTS], results_when="at_once")
    make_prediction(category="unlikely")
    (row,) = send_all(destination)
    send_all(destination)
    scp.server.shutdown()
    assert (row.state, row.reason_code, row.answer) == (state, code, f"0x{answer:04X}")
    assert len(scp.received) == row.attempts == 1


@pytest.mark.django_db
@pytest.mark.parametrize("answer", [0xA700, 0x0110, "abort"])
def test_after_any_other_end_the_same_instance_is_sent_again(
    make_destination: Make, answer: int | str
) -> None:
    scp = Scp(answer, answer)
    destination = make_destination(scp.port, sends=[Content.RESULTS], results_when="at_once")
    make_prediction(category="unlikely")

    def is_there() -> bool:
        return send_all(destination)[0].state == DeliveryState.DELIVERED

    wait_until(is_there, "it is delivered")
    scp.server.shutdown()
    (row,) = send_all(destination)
    assert row.attempts == 3
    assert scp.received == [row.document.sop_instance_uid] * 3


@pytest.mark.django_db
def test_a_pacs_that_takes_no_reports_rejects_them_in_the_end(
    make_destination: Make,
) -> None:
    entity = AE(ae_title="PACS")
    entity.add_supported_context("1.2.840.10008.1.1")
    server: Any = entity.start_server(("127.0.0.1", 0), block=False)
    destination = make_destination(
        server.socket.getsockname()[1], sends=[Content.RESULTS], results_when="at_once"
    )
    make_prediction(category="unlikely")
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (DeliveryState.WAITING, "not_negotiated")
    wait_until(lambda: send_all(destination)[0].state == DeliveryState.REJECTED, "it is rejected")
    (row,) = send_all(destination)
    server.shutdown()
    assert (row.reason_code, row.attempts) == ("not_negotiated", attempts.MOST_REFUSALS)
    assert "(Comprehensive SR Storage)" in row.reason.english


class Sending:
    """`manage.py send_results` on the tests' database."""

    def __init__(self, folder: Path) -> None:
        url = urlsplit(services.postgres.url)
        environment = os.environ | {
            "DATABASE_URL": url._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
            "STORAGE_URL": f"file://{folder}/storage",
            "DELIVERY_ANSWER_SECONDS": "20",
        }
        command = [sys.executable, "manage.py", "send_results"]
        with (folder / "send.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=60)


@pytest.mark.django_db(transaction=True)
def test_a_hanging_destination_delays_no_other_and_a_killed_sender_loses_nothing(
    orthanc: Orthanc, make_destination: Make, radiologist: User, tmp_path: Path
) -> None:
    orthanc.start()
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        make_destination(hanging.getsockname()[1], name="A hanging one")
        destination = make_destination(orthanc.port)
        for _ in range(6):
            read(make_prediction(), radiologist, "definite")
        let_time_pass()
        delivered = destination.deliveries.filter(state=DeliveryState.DELIVERED)
        sending = Sending(tmp_path)
        wait_until(lambda: delivered.count() >= 3, "some are delivered")
        sending.end(signal.SIGKILL)
        sending = Sending(tmp_path)
        try:
            wait_until(lambda: delivered.count() == 18, "all are delivered")
        finally:
            sending.end()
    hung = Delivery.objects.filter(destination__name="A hanging one")
    assert {row.state for row in hung} == {DeliveryState.WAITING}
    assert len(orthanc.ask("instances")) == 18
    assert audit_actions(action="delivery.sent") == ["delivery.sent"] * 18
    # The patients of the factories are called that.
    assert "Phantom" not in (tmp_path / "send.log").read_text()
    connections.close_all()
