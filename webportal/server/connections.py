"""Idle connections: how many there may be, and for how long."""

import asyncio
import resource
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# From the first byte, or the end of the previous response, to the end of the next request's
# headers. It also ends a connection on which a refused body is still arriving.
REQUEST_SECONDS = 20
# How long the kernel waits for a client that accepts none of its response.
READER_SECONDS = 60
# Open files per connection: the socket, a request body on disk, a response on disk.
_FILES_EACH = 3


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a time limit for headers, which uvicorn lacks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting_since = self.loop.time()
        self._check: asyncio.TimerHandle | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being received or answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request; over the limit, the longest-waiting connection is closed."""
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
        """Start waiting for the next request."""
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def _close_if_late(self) -> None:
        now = self.loop.time()
        late_at = (self.waiting_since if self.is_waiting else now) + REQUEST_SECONDS
        if now < late_at:
            self._check = self.loop.call_at(late_at, self._close_if_late)
        else:
            # Data written before is still delivered.
            self.transport.close()


def most_connections() -> int:
    """The maximum number of connections, derived from the limit on open files."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _FILES_EACH


def prepare_listener(listener: socket.socket) -> None:
    """Close connections to this socket whose client accepts none of its response."""
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        milliseconds = READER_SECONDS * 1000
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
