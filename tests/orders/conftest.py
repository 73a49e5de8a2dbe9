"""A real listener process on the tests' database, and a sender that speaks MLLP."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests import services
from tests.helpers import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
_LISTENS = re.compile(r"Receiving orders on port (\d+)")


class Listener:
    """`manage.py receive_orders` on a free port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        url = urlsplit(services.postgres.url)
        self.log = folder / "orders.log"
        database = url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
        environment = os.environ | {"DATABASE_URL": database, "PYTHONUNBUFFERED": "1", **settings}
        with self.log.open("a") as log:
            begin = self.log.stat().st_size
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "receive_orders", "--port", "0"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := _LISTENS.search(self.log.read_text()[begin:])) is None:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        self.port = int(found[1])

    def connect(self, tls: ssl.SSLContext | None = None) -> "Sender":
        """A connection to it."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        return Sender(tls.wrap_socket(plain, server_hostname="localhost") if tls else plain)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, as a service manager does by default; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_SECONDS)


class Sender:
    """An integration engine on one connection."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer, self.received = peer, b""

    def send(self, message: bytes) -> None:
        """Send a message and leave its answer."""
        self.peer.sendall(b"\x0b" + message + b"\x1c\r")

    def answer(self) -> bytes:
        """The next answer; empty where the connection ends without one."""
        while b"\x1c\r" not in self.received:
            try:
                part = self.peer.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                return b""
            self.received += part
        found, _, self.received = self.received.partition(b"\x1c\r")
        assert found.startswith(b"\x0b")
        return found[1:]

    def ask(self, message: bytes) -> bytes:
        """Send a message and return its answer."""
        self.send(message)
        return self.answer()


@pytest.fixture
def start_listener(tmp_path: Path, transactional_db: None) -> Iterator[Callable[..., Listener]]:
    """Start a listener with settings of its own; what is left at the end is killed."""
    started: list[Listener] = []

    def start(**settings: str) -> Listener:
        started.append(Listener(tmp_path, **settings))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop(signal.SIGKILL)
