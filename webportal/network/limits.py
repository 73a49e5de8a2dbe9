"""Limits for peers of the receiver: PDU length, time, connections and associations.

pynetdicom reads PDUs of any length into memory, waits forever for the rest of one, and buffers
whatever a peer sends before its previous request is answered. So bytes are counted in the socket.
"""

import logging
import socket
import ssl
import struct
import threading
import time
import weakref
from collections import deque
from typing import Any

from django.conf import settings
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF

logger = logging.getLogger(__name__)

# In total, and per address, which several devices may share. pynetdicom polls every connection a
# thousand times a second, even idle ones.
MOST_CONNECTIONS = 100
MOST_CONNECTIONS_OF_AN_ADDRESS = 40
# The negotiated maximum length applies only to P-DATA-TF (PS3.8 D.1). An association request with
# 128 presentation contexts, each with every transfer syntax, is shorter than this.
_LONGEST_OTHER_PDU = 256 * 1024
_HEADER = struct.Struct(">BxL")
_P_DATA_TF = 0x04
# PS3.8 9.3.8: A-ABORT from the service provider, invalid PDU parameter value.
_A_ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x06"


class GuardedSocket(socket.socket):
    """A connection that enforces limits on PDU length and time.

    When the peer exceeds one, the connection ends as if the peer had closed it.
    """

    # Class attributes, because TLS sockets are not created through their constructor.
    _header = b""
    _left = 0
    #: Bytes of the current PDU that were received and not yet read by pynetdicom.
    _ahead = memoryview(b"")
    _is_aborted = False
    _has_asked = False
    _asks_until = 0.0

    def begin(self) -> None:
        """Start the timeout for the first PDU."""
        self._asks_until = time.monotonic() + settings.DICOM_ANSWER_SECONDS

    def recv(self, size: int = 1024, flags: int = 0) -> bytes:
        """Read from the peer; returns no bytes, as at end of stream, once a limit is exceeded.

        pynetdicom reads 4 kB at a time, and each system call lets other threads run first. So all
        bytes of a PDU that have arrived are read at once. Nothing is buffered beyond the end of the
        PDU, because pynetdicom polls the connection, not this buffer.
        """
        if not self._ahead:
            self._ahead = memoryview(self._received(max(size, self._left), flags))
        given, self._ahead = self._ahead[:size], self._ahead[size:]
        return bytes(given)

    def _received(self, size: int, flags: int) -> bytes:
        # Unread bytes make the system reset the connection; a peer that is still sending would
        # otherwise wait for minutes.
        if self._is_aborted:
            return b""
        if not self._has_asked:
            # Recomputed for each call, because a peer may send one byte at a time.
            self.settimeout(max(self._asks_until - time.monotonic(), 0.001))
        try:
            data = super().recv(size, flags)
        except TimeoutError:
            return b""
        return data if self._is_short_enough(data) else self._aborted()

    def _is_short_enough(self, data: bytes) -> bool:
        """Track the PDUs in the bytes read; returns whether all are short enough."""
        while data:
            if not self._left:
                missing = _HEADER.size - len(self._header)
                self._header, data = self._header + data[:missing], data[missing:]
                if len(self._header) < _HEADER.size:
                    return True
                kind, self._left = _HEADER.unpack(self._header)
                self._header = b""
                longest = settings.DICOM_PDU_BYTES if kind == _P_DATA_TF else _LONGEST_OTHER_PDU
                if self._left > longest:
                    return False
            step = min(self._left, len(data))
            self._left, data = self._left - step, data[step:]
            if not self._left and not self._has_asked:
                self._has_asked = True
                self.settimeout(settings.DICOM_IDLE_SECONDS)
        return True

    def _aborted(self) -> bytes:
        self._is_aborted = True
        logger.warning("An association is aborted: a PDU is longer than DICOM_PDU_BYTES")
        try:
            self.sendall(_A_ABORT)
            self.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer has gone already
        return b""


class GuardedTLSSocket(GuardedSocket, ssl.SSLSocket):
    """A guarded connection with TLS."""


class Connections:
    """The open connections. Only the accepting thread may call this."""

    def __init__(self) -> None:
        self._addresses: weakref.WeakKeyDictionary[GuardedSocket, str] = weakref.WeakKeyDictionary()

    def admit(self, connection: GuardedSocket, address: str) -> bool:
        """Count a connection from an address; returns False if there are too many."""
        # Weak references that are checked: pynetdicom leaves closing some to the garbage collector.
        others = [there for each, there in self._addresses.items() if each.fileno() >= 0]
        if (
            len(others) >= MOST_CONNECTIONS
            or others.count(address) >= MOST_CONNECTIONS_OF_AN_ADDRESS
        ):
            return False
        self._addresses[connection] = address
        return True


class Associations:
    """The admitted associations, counted until their threads end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def admit(self, association: Any, ae_title: str) -> bool:
        """Count an association of a node; returns False if there are too many."""
        with self._lock:
            others = [title for each, title in self._nodes.items() if each.is_alive()]
            if (
                len(others) >= settings.DICOM_ASSOCIATIONS
                or others.count(ae_title) >= settings.DICOM_ASSOCIATIONS_PER_NODE
            ):
                return False
            self._nodes[association] = ae_title
            return True


class Unanswered:
    """The bytes in memory of an association's requests that are not answered yet.

    A peer may send its next request early, and some do. Each counter has a single writer: the
    association's thread for the last one, the connection's for the others.
    """

    def __init__(self) -> None:
        self._arrived = self._requested = self._responses = self._answered = 0
        self._requests: deque[int] = deque()

    def add(self, size: int) -> bool:
        """Count received bytes; returns whether they are within the size limit of an instance."""
        self._arrived += size
        most: int = settings.UPLOAD_MAX_BYTES
        return self._arrived - self._responses - self._answered <= most

    def request(self) -> None:
        """Record that a request is complete."""
        self._requests.append(self._arrived - self._requested)
        self._requested = self._arrived

    def response(self) -> None:
        """Record that a message is complete which is itself a response, and so is not answered."""
        self._responses += self._arrived - self._requested
        self._requested = self._arrived

    def answer(self) -> None:
        """Record that the oldest request is answered and no longer in memory."""
        if self._requests:
            self._answered += self._requests.popleft()


def size_of(event: Event) -> int:
    """The number of bytes that a received PDU adds to a request."""
    pdu: Any = event.pdu
    if not isinstance(pdu, P_DATA_TF):
        return 0
    items: list[Any] = pdu.presentation_data_value_items
    return sum(len(item.presentation_data_value) for item in items)
