"""Sending anchors to a syslog server, out of reach of our own database and disks."""

import socket

from django.conf import settings

# Facility authpriv, severity informational (RFC 3164).
_PRIORITY = 10 * 8 + 6
_TIMEOUT_SECONDS = 10


def send(line: str) -> None:
    """Send an anchor to AUDIT_ANCHOR_SYSLOG; raises OSError if it is known not to arrive.

    The address is `tcp://host:port`, `host:port` for UDP, or the path of a local socket such as
    `/dev/log`. A lost datagram goes unnoticed: TCP is the better choice.
    """
    address: str = settings.AUDIT_ANCHOR_SYSLOG
    message = f"<{_PRIORITY}>chestline-anchor: {line}".encode()
    if address.startswith("/"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
            local.settimeout(_TIMEOUT_SECONDS)
            local.sendto(message, address)
        return
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    if address.startswith("tcp://"):
        with socket.create_connection((host, int(port)), _TIMEOUT_SECONDS) as stream:
            # A line feed ends a message in a stream (RFC 6587, 3.4.2).
            stream.sendall(message + b"\n")
        return
    family, kind, _, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as datagrams:
        datagrams.sendto(message, target)
