"""Connections without a request: how many there may be, and for how long."""

import asyncio
import resource
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# From the first byte, or the end of the last answer, to the end of the next request's headers. It
# also ends a connection on which a refused body still arrives.
REQUEST_SECONDS = 20
# How long the kernel waits for a client that takes nothing of its answer.
READER_SECONDS = 60
# Open files for each connection: the socket, a body on the disk, an answer on the disk.
_FILES_EACH = 3


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 with a time limit for headers, which uvicorn itself does not have."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting_since = self.loop.time()
        self._check: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being received or answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; where there are too many, the longest wait ends."""
        super().connection_made(transport)
        self._check = self.loop.call_later(REQUEST_SECONDS, self._close_if_late)
        if len(self.connections) > most_connections():
            waiting = [
                each
                for each in self.connections
                if isinstance(each, Connection) and each.is_waiting
            ]
            min(waiting, key=lambda each: each.waiting_since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def _close_if_late(self) -> None:
        now = self.loop.time()
        late_at = (self.waiting_since if self.is_waiting else now) + REQUEST_SECONDS
        if now < late_at:
            self._check = self.loop.call_at(late_at, self._close_if_late)
        else:
            # What was written before is still delivered.
            self.transport.close()


def most_connections() -> int:
    """How many connections there may be; the limit of open files decides."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _FILES_EACH


def prepare_listener(listener: socket.socket) -> None:
    """Let connections to this socket end where the client takes nothing of its answer."""
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        milliseconds = READER_SECONDS * 1000
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
