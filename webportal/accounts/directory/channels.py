"""Encrypted connections to the directory's servers.

Python's ssl encrypts and verifies them instead of libldap: Debian builds libldap with GnuTLS, where
a server that accepts a connection and then stays silent keeps it busy for ever, whatever its
timeouts. libldap gets one end of a socket pair, and a thread relays it over TLS.
"""

import ipaddress
import select
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from urllib.parse import SplitResult, urlsplit

#: For connecting to a server, and for each of its responses.
TIMEOUT_SECONDS = 5
_PORTS = {"ldap": 389, "ldaps": 636}
_LONGEST_BYTES = 65536


def is_safe(url: SplitResult) -> bool:
    """Whether nobody between here and the server can read or change what is sent."""
    return url.scheme == "ldaps" or (url.scheme == "ldap" and _is_loopback(url.hostname or ""))


def open_channel(urls: Sequence[str], ca_file: str) -> socket.socket:
    """A connection to the first of these servers that accepts one.

    `ca_file` verifies their certificates; if '', this machine's trust store does. Raises OSError.
    """
    for number, url in enumerate(urls, start=1):
        try:
            return _open(urlsplit(url), ca_file)
        except OSError:
            if number == len(urls):
                raise
    raise OSError("LDAP_URL is empty")


def _open(url: SplitResult, ca_file: str) -> socket.socket:
    if not is_safe(url):
        raise OSError(f"{url.geturl()} is not encrypted")
    address = url.hostname or "", url.port or _PORTS[url.scheme]
    channel = socket.create_connection(address, TIMEOUT_SECONDS)
    if url.scheme == "ldap":
        channel.setblocking(True)
        return channel
    context = ssl.create_default_context(cafile=ca_file or None)
    with channel:
        encrypted = context.wrap_socket(channel, server_hostname=url.hostname)
    inner, end = socket.socketpair()
    Thread(target=_relay, args=(inner, encrypted), name="directory", daemon=True).start()
    return end


def _relay(inner: socket.socket, encrypted: ssl.SSLSocket) -> None:
    """Relay data in both directions, until one side closes or is silent for too long."""
    waiting = select.poll()
    for each in (inner, encrypted):
        waiting.register(each, select.POLLIN)
    with inner, encrypted, suppress(OSError):
        while True:
            ready = [each for each, _what in waiting.poll(2 * TIMEOUT_SECONDS * 1000)]
            if not ready:
                return
            if inner.fileno() in ready:
                octets = inner.recv(_LONGEST_BYTES)
                if not octets:
                    return
                encrypted.settimeout(TIMEOUT_SECONDS)
                encrypted.sendall(octets)
            if encrypted.fileno() in ready and not _answer(encrypted, inner):
                return


def _answer(encrypted: ssl.SSLSocket, inner: socket.socket) -> bool:
    """Relay what the server has sent; False if it has closed the connection."""
    encrypted.settimeout(0)
    while True:
        try:
            octets = encrypted.recv(_LONGEST_BYTES)
        except ssl.SSLWantReadError:
            # Part of a record, or only messages of TLS itself.
            return True
        if not octets:
            return False
        inner.sendall(octets)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
