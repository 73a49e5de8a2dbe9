"""Sending messages by syslog over TLS, or over plain TCP if so configured.

RFC 5424 messages with octet counting (RFC 5425, 4.3; RFC 6587, 3.4.1). Syslog has no
acknowledgements, but an orderly close is one: the receiver closes its side once it has read
everything before it. Only then are messages known to have arrived.
"""

import os
import socket
import ssl
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fcntl import ioctl
from termios import TIOCOUTQ
from urllib.parse import urlsplit

from django.conf import settings

from webportal.auditexport.address import BARE_TCP
from webportal.auditexport.bounded import bounded_context

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
# Facility 10, security (PS3.15, A.6), with the severities notice and warning.
_NOTICE, _WARNING = 85, 84
_MSG_ID = "DICOM+RFC3881"
_BOM = b"\xef\xbb\xbf"


def frame(message: bytes, at: datetime, *, is_warning: bool = False) -> bytes:
    """A message with its syslog header, preceded by its length in octets."""
    when = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    header = (
        f"<{_WARNING if is_warning else _NOTICE}>1 {when} {_host_name()} chestline"
        f" {os.getpid()} {_MSG_ID} - "
    )
    line = header.encode() + _BOM + message
    return b"%d %s" % (len(line), line)


@contextmanager
def connected(ends_at: float) -> Iterator[socket.socket]:
    """A connection to AUDIT_EXPORT; everything sent has arrived once the block is left.

    Raises OSError if it cannot be reached, or does not confirm by the monotonic time `ends_at`.
    """
    address = urlsplit(settings.AUDIT_EXPORT)
    host, port = address.hostname or "", address.port or 0  # neither is missing: see the settings
    bare = socket.create_connection((host, port), CONNECT_SECONDS)
    with bare:
        if address.scheme == BARE_TCP:
            bare.settimeout(ANSWER_SECONDS)
            yield bare
            _await_end(bare, ends_at)
            return
        with _context(ends_at).wrap_socket(bare, server_hostname=host) as secure:
            secure.settimeout(ANSWER_SECONDS)
            yield secure
            # Waits for the close_notify that the receiver has to send (RFC 5425, 4.4).
            with secure.unwrap() as bare:
                _await_end(bare, ends_at)


def _await_end(bare: socket.socket, ends_at: float) -> None:
    """Return once the receiver has read everything and closed; otherwise raise OSError.

    A receiver that was closing on its own while messages were on their way resets the connection
    instead of acknowledging them.
    """
    bare.shutdown(socket.SHUT_WR)
    while bare.recv(4096):
        # The receiver sends nothing before it closes.
        _refuse_after(ends_at)
    while _unacknowledged_bytes(bare):
        _refuse_after(ends_at)
        time.sleep(0.01)
    if error := bare.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))


def _refuse_after(ends_at: float) -> None:
    if time.monotonic() > ends_at:
        raise TimeoutError("timed out")


def _unacknowledged_bytes(bare: socket.socket) -> int:
    """The bytes that the receiver's system has not acknowledged yet (SIOCOUTQ, Linux only)."""
    count = array("i", [0])
    ioctl(bare, TIOCOUTQ, count)
    return count[0]


def _context(ends_at: float) -> ssl.SSLContext:
    context = bounded_context(ends_at)
    if settings.AUDIT_EXPORT_CERTIFICATE:
        context.load_cert_chain(
            settings.AUDIT_EXPORT_CERTIFICATE, settings.AUDIT_EXPORT_KEY or None
        )
    return context


def _host_name() -> str:
    name = socket.gethostname()
    return name if name.isascii() and name.isprintable() and " " not in name and name else "-"
