"""Stalled connections are closed, so that they cannot exhaust the server's resources."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse

import pytest
import uvicorn
from pytest_django.fixtures import Settings

from tests.helpers import wait_until
from webportal.server import bodies, connections
from webportal.server.bridge import Bridge

LARGE = 32 * 1024**2


def application(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    """Answer with more than fits into the buffers of a connection, but for /small."""
    start_response("200 OK", [])
    return [bytes(1 if environ["PATH_INFO"] == "/small" else LARGE)]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[[], tuple[uvicorn.Server, int]]]:
    """Serve it in a thread, with the limits as they are then and one thread for pages."""
    settings.PORTAL_THREADS = 1
    settings.UPLOAD_TEMP_DIR = tmp_path
    started = []

    def run() -> tuple[uvicorn.Server, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        connections.prepare_listener(listener)
        bridge = Bridge(application)
        config = uvicorn.Config(
            bridge, http=connections.Connection, lifespan="off", log_config=None, ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        started.append((server, thread))
        wait_until(lambda: server.started, "uvicorn had started")
        return server, listener.getsockname()[1]

    yield run
    for server, thread in started:
        server.should_exit = server.force_exit = True
        thread.join()


def connect(port: int) -> socket.socket:
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.settimeout(60)
    slow.connect(("127.0.0.1", port))
    return slow


def test_unfinished_headers_time_out(
    start: Callable[[], tuple[uvicorn.Server, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    _, port = start()
    with connect(port) as slow, connect(port) as silent:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        assert slow.recv(1) == b""
        assert silent.recv(1) == b""


def test_a_client_that_accepts_no_response_is_disconnected(
    start: Callable[[], tuple[uvicorn.Server, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READER_SECONDS", 1)
    server, port = start()
    with connect(port) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
        # It holds no thread meanwhile.
        with connect(port) as quick:
            quick.sendall(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
            assert quick.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: not server.server_state.connections, "the connection was given up")


def test_beyond_the_limit_the_longest_waiting_connection_is_closed(
    start: Callable[[], tuple[uvicorn.Server, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 2)
    server, port = start()
    with connect(port) as oldest:
        wait_until(lambda: len(server.server_state.connections) == 1, "it was accepted")
        with connect(port) as second, connect(port) as third:
            assert oldest.recv(1) == b""
            for each in (second, third):
                each.sendall(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
                assert each.recv(12) == b"HTTP/1.1 200"


def test_a_stalled_body_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.1)
    parts = iter([{"type": "http.request", "body": b"some", "more_body": True}])

    async def receive() -> bodies.Message:
        for part in parts:
            return part
        await asyncio.sleep(60)
        raise AssertionError

    # In a thread of its own: Playwright leaves a loop running in that of the tests.
    with bodies.new_body() as body, ThreadPoolExecutor(1) as thread:
        length = thread.submit(asyncio.run, bodies.spool(receive, body, 1000))
        with pytest.raises(bodies.StalledError):
            length.result()
