"""A connection that breaks during an upload."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from webportal.accounts.models import Role, User
from webportal.intake.batches import services
from webportal.intake.models import UploadItem
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a" * 32


def send(server: LiveServer, browser: Client, address: str, length: int, body: bytes) -> bytes:
    """Send a request that announces `length` bytes, and hang up after `body`."""
    parts = urlsplit(server.url)
    head = (
        f"POST {address} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        f"Cookie: sessionid={browser.cookies['sessionid'].value}; csrftoken={TOKEN}\r\n"
        f"X-CSRFToken: {TOKEN}\r\nX-File-Path: a.png\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


def test_a_partly_received_file_leaves_nothing(
    live_server: LiveServer, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    uploader = make_user(Role.UPLOADER)
    batch = services.create_batch(uploader)
    browser = sign_in(uploader)
    address = f"/uploads/{batch.pk}/files"
    data = files.png(files.phantom())

    answer = send(live_server, browser, address, len(data), data[:-100])
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b'"interrupted"' in answer
    assert not UploadItem.objects.exists()

    answer = send(live_server, browser, address, len(data), data)
    assert b'"accepted"' in answer
    assert Radiograph.objects.count() == 1
