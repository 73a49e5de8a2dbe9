"""The portal's server in a process of its own, on the tests' database."""

import http.client
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import Client

from tests.helpers import database_url, wait_until
from tests.warm import WarmProcess, start_warm
from webportal.accounts.models import User
from webportal.intake.batches import services

TOKEN = "a" * 32
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    process: WarmProcess | subprocess.Popen[bytes]
    var: Path
    log: Path

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS)

    def get(self, path: str, cookie: str = "") -> tuple[int, bytes]:
        """GET a page, and return status and body."""
        with closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        ) as asked:
            asked.request("GET", path, headers={"Cookie": cookie} if cookie else {})
            response = asked.getresponse()
            return response.status, response.read()

    def files_on_disk(self) -> int:
        """The bytes of bodies that the server holds on the disk."""
        held = 0
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                if str(self.var / "incoming") in str(link.readlink()):
                    held += link.stat().st_size
            except FileNotFoundError:
                continue
        return held


@pytest.fixture
def start_server(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server with further settings."""
    started: list[Server] = []

    def start(**settings: str) -> Server:
        var, log = tmp_path / "var", tmp_path / "server.log"
        with (
            socket.create_server(("127.0.0.1", 0), backlog=1024) as listener,
            log.open("wb") as out,
        ):
            own = {
                "DATABASE_URL": database_url(),
                "CHESTLINE_VAR": str(var),
                "UPLOAD_MIN_FREE_BYTES": "0",
            }
            environment = os.environ | own | settings
            process = start_warm("webportal.server", [], environment, out, listener)
            started.append(Server(listener.getsockname()[1], process, var, log))
        wait_until(
            lambda: process.poll() is not None or "listening" in log.read_text(),
            "the server listened",
        )
        assert process.poll() is None, log.read_text()
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server()


def cookie_of(user: User) -> str:
    """The cookies of somebody who is signed in."""
    browser = Client()
    browser.force_login(user)
    return f"sessionid={browser.cookies['sessionid'].value}; csrftoken={TOKEN}"


def upload_head(user: User, length: int | None, *headers: str, name: str = "a.png") -> bytes:
    """The head of a request that sends a file to a new upload."""
    lines = [
        f"POST /uploads/{services.create_batch(user).pk}/files HTTP/1.1",
        "Host: 127.0.0.1",
        f"Cookie: {cookie_of(user)}",
        f"X-CSRFToken: {TOKEN}",
        f"X-File-Path: {name}",
        "Content-Type: application/octet-stream",
        *([] if length is None else [f"Content-Length: {length}"]),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(sent: socket.socket) -> http.client.HTTPResponse:
    """Read the answer to what was sent."""
    response = http.client.HTTPResponse(sent)
    response.begin()
    return response
