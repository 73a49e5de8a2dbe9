"""The listener: HL7 v2 over MLLP, from known systems only.

A message is acknowledged once its orders are committed. A sender without an acknowledgement sends
it again, which has no further effect. Each connection is served by a thread.
"""

import contextlib
import logging
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from socketserver import BaseRequestHandler, TCPServer, ThreadingMixIn
from typing import Any

from django.conf import settings
from django.db import Error, OperationalError, connection

from webportal.orders import hl7, receiving
from webportal.orders.sources import record_rejected, source_at
from webportal.tls import server_context

logger = logging.getLogger(__name__)

_START, _END = b"\x0b", b"\x1c\r"
_MOST_OF_AN_ADDRESS = 10
_READ_BYTES = 65536


class MllpServer(ThreadingMixIn, TCPServer):
    """The listening socket."""

    allow_reuse_address = True
    daemon_threads = True
    # Open connections end with the process: unacknowledged messages are sent again.
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: str, port: int) -> None:
        self.tls = server_context(
            "ORDERS",
            settings.ORDERS_TLS_CERTIFICATE,
            settings.ORDERS_TLS_KEY,
            settings.ORDERS_TLS_CLIENT_CA,
        )
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._lock, self._open = threading.Lock(), Counter[str]()
        super().__init__((address, port), _Connection)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection gets a thread; otherwise it is closed."""
        address = client_address[0]
        try:
            if source_at(address) is None:
                logger.warning(
                    "A connection from %s is closed: not a known sender of orders", address
                )
                record_rejected(address)
                return False
        except Error as error:
            logger.error("A connection is closed: %s", type(error).__name__)
            return False
        finally:
            connection.close()
        with self._lock:
            if (
                self._open.total() >= settings.ORDERS_CONNECTIONS
                or self._open[address] >= _MOST_OF_AN_ADDRESS
            ):
                logger.warning("A connection from %s is closed: too many are open", address)
                return False
            self._open[address] += 1
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection; it counts until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open[client_address[0]] -= 1
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log that a connection ended in an error, without its content."""
        error = sys.exc_info()[0]
        logger.error("A connection ends: %s", error.__name__ if error else "")

    def start(self) -> None:
        """Serve in a new thread."""
        threading.Thread(target=self.serve_forever, name="HL7 server", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


class _Connection(BaseRequestHandler):
    server: MllpServer

    def handle(self) -> None:
        """Acknowledge messages one by one."""
        peer: socket.socket = self.request
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.settimeout(settings.ORDERS_ANSWER_SECONDS)
        try:
            if self.server.tls is not None:
                peer = self.server.tls.wrap_socket(peer, server_side=True)
            for message, is_whole in _messages(peer):
                answer = self._answer(message) if is_whole else receiving.too_long(message)
                if answer is None:
                    return
                peer.settimeout(settings.ORDERS_ANSWER_SECONDS)
                peer.sendall(_START + answer + _END)
        except ssl.SSLError as error:
            logger.warning("A TLS connection ends: %s", type(error).__name__)
        except OSError as error:
            logger.info("A connection ends: %s", type(error).__name__)
        finally:
            if peer is not self.request:
                with contextlib.suppress(OSError):
                    peer.close()

    def _answer(self, message: bytes) -> bytes | None:
        """The acknowledgement of a message; None if its sender may no longer send."""
        try:
            source = source_at(self.client_address[0])
            if source is None:
                return None
            return _twice(lambda: receiving.receive(source, message))
        except Exception as error:
            # The error's text is not logged: it may quote the message.
            logger.error("A message could not be processed: %s", type(error).__name__)
            return receiving.unavailable(hl7.header_of(message))
        finally:
            connection.close()


def _twice(take: Any) -> bytes:
    """Process a message; once more if it conflicted with another transaction."""
    try:
        answer: bytes = take()
    except OperationalError:
        connection.close()
        answer = take()
    return answer


def _messages(peer: socket.socket) -> Iterator[tuple[bytes, bool]]:
    """The messages that arrive, and whether each is complete; the last one may be too long.

    Ends when the peer closes, is silent for too long, or sends anything but MLLP.
    """
    received = b""
    while True:
        if not received:
            peer.settimeout(settings.ORDERS_IDLE_SECONDS)
            received = peer.recv(_READ_BYTES)
        deadline = time.monotonic() + settings.ORDERS_ANSWER_SECONDS
        begun = 0
        while _END not in received[max(begun - 1, 0) :]:
            if not received.startswith(_START):
                if received:
                    logger.warning("A connection ends: its data are not framed as MLLP")
                return
            if len(received) > settings.ORDERS_MESSAGE_BYTES:
                yield received[1:], False
                return
            begun = len(received)
            peer.settimeout(max(deadline - time.monotonic(), 0.001))
            part = peer.recv(_READ_BYTES)
            if not part:
                return
            received += part
        message, _, received = received.partition(_END)
        if not message.startswith(_START):
            logger.warning("A connection ends: its data are not framed as MLLP")
            return
        if len(message) > settings.ORDERS_MESSAGE_BYTES:
            yield message[1:], False
            return
        yield message[1:], True
