"""Slow clients delay nobody, and are eventually served."""

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests import dicom_files as files
from tests.helpers import wait_until
from tests.server.conftest import Server, answer, cookie_of, upload_head
from webportal.access.models import AccessEntry, AccessKind
from webportal.accounts.models import Role, User
from webportal.intake.models import UploadItem

IDLE, SENDERS, FILES_EACH = 50, 4, 5
LARGE = 3 * 1024**2


@pytest.fixture
def senders(make_user: Callable[..., User]) -> list[User]:
    roles = (Role.UPLOADER, Role.RADIOLOGIST)
    return [make_user(*roles, username=f"sender-{number}") for number in range(SENDERS)]


def test_pages_are_served_while_slow_clients_hold_connections(
    server: Server, senders: list[User]
) -> None:
    data = files.png(files.phantom())
    half = len(data) // 2
    with ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(IDLE)]
        for each in idle:
            each.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        slow = []
        for sender in senders:
            for _ in range(FILES_EACH):
                slow.append(stack.enter_context(server.connect()))
                slow[-1].sendall(upload_head(sender, len(data)) + data[:half])

        assert server.get("/health/live")[0] == 200
        status, page = server.get("/worklist", cookie_of(senders[0]))
        assert status == 200
        assert b"</html>" in page

        for each in slow:
            each.sendall(data[half:])
        verdicts = []
        for each in slow:
            response = answer(each)
            assert response.status == 200
            verdicts += [item["verdict"] for item in json.load(response)["items"]]
        for each in idle:
            each.sendall(b"1\r\n\r\n")
            assert answer(each).status == 200
    assert len(verdicts) == SENDERS * FILES_EACH
    assert set(verdicts) <= {"accepted", "duplicate"}
    assert UploadItem.objects.count() == SENDERS * FILES_EACH


def test_a_body_in_transit_is_on_disk_and_removed_when_the_client_disconnects(
    server: Server, senders: list[User]
) -> None:
    with server.connect() as slow:
        slow.sendall(upload_head(senders[0], 2 * LARGE) + bytes(LARGE))
        wait_until(lambda: server.files_on_disk() > LARGE // 2, "the body was on the disk")
    wait_until(lambda: server.files_on_disk() == 0, "the body was gone")
    assert not UploadItem.objects.exists()


def test_an_upload_in_progress_is_completed_when_the_portal_stops(
    server: Server, senders: list[User]
) -> None:
    data = files.png(files.phantom())
    with server.connect() as slow:
        slow.sendall(upload_head(senders[0], len(data)) + data[:-100])
        assert server.get("/health/live")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        slow.sendall(data[-100:])
        response = answer(slow)
        assert response.status == 200
        assert json.load(response)["items"][0]["verdict"] == "accepted"
    assert server.process.wait(timeout=30) == 0
    kinds = AccessEntry.objects.filter(kind__in=[AccessKind.START, AccessKind.STOP]).order_by("pk")
    assert [entry.kind for entry in kinds] == [AccessKind.START, AccessKind.STOP]
