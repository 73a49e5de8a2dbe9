"""A real listener process on the tests' database, and a sender that speaks MLLP."""

import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers import PATIENCE_SECONDS
from tests.listening import ListeningProcess


class Listener(ListeningProcess):
    """`manage.py receive_orders` on a free port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        announcement = r"Receiving orders on port (\d+)"
        super().__init__("receive_orders", announcement, folder / "orders.log", settings)

    def connect(self, tls: ssl.SSLContext | None = None) -> "Sender":
        """A connection to it."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        return Sender(tls.wrap_socket(plain, server_hostname="localhost") if tls else plain)


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
