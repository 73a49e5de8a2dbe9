"""HL7 v2 over MLLP: one message and its acknowledgement per connection."""

import socket
import ssl
import time

from django.conf import settings

from webportal.delivery.documents import hl7
from webportal.delivery.models import Delivery
from webportal.delivery.senders.outcome import (
    NO_ANSWER,
    NOT_REACHED,
    Sender,
    SendOutcome,
    busy,
    delivered,
    doubtful,
)
from webportal.tls import client_context

_CONNECT_SECONDS = 10
_START, _END = b"\x0b", b"\x1c\r"
# An acknowledgement is a few lines.
_LONGEST_ANSWER = 64 * 1024


class MllpSender(Sender):
    """Sends each message on a new connection, so that late acknowledgements cannot be mixed up."""

    def send(self, delivery: Delivery) -> SendOutcome:
        """Send one message and wait for the acknowledgement with its control ID."""
        message = bytes(delivery.document.content or b"")
        tls = self._tls()
        try:
            connection = self._connect(tls)
        except OSError:
            return NOT_REACHED
        with connection:
            try:
                connection.sendall(_START + message + _END)
                return self._answered(connection, hl7.control_id_of(message))
            except OSError:
                return NO_ANSWER

    def test(self) -> SendOutcome:
        """Connect without sending anything."""
        tls = self._tls()
        try:
            self._connect(tls).close()
        except OSError:
            return NOT_REACHED
        return delivered()

    def _tls(self) -> ssl.SSLContext | None:
        return client_context() if self.destination.uses_tls else None

    def _connect(self, tls: ssl.SSLContext | None) -> socket.socket:
        to = self.destination
        connection = socket.create_connection((to.host, to.port), timeout=_CONNECT_SECONDS)
        if tls is None:
            return connection
        return tls.wrap_socket(connection, server_hostname=to.certificate_name or to.host)

    def _answered(self, connection: socket.socket, control_id: str) -> SendOutcome:
        """Read until this message is acknowledged or the time is up.

        An acknowledgement without MLLP framing counts, one of another message does not.
        """
        deadline = time.monotonic() + settings.DELIVERY_ANSWER_SECONDS
        received = b""
        while len(received) < _LONGEST_ANSWER:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return NO_ANSWER
            connection.settimeout(remaining)
            try:
                part = connection.recv(4096)
            except TimeoutError:
                part = b""
            received += part
            is_over = not part
            for answer in hl7.acknowledgements(received, is_complete=is_over):
                if answer.control_id == control_id:
                    return _outcome(answer)
            if is_over:
                return NO_ANSWER
        return NO_ANSWER


def _outcome(answer: hl7.Acknowledgement) -> SendOutcome:
    if answer.code in ("AA", "CA"):
        return delivered(answer.code)
    if answer.code in ("AE", "AR", "CE", "CR"):
        # Integration engines also respond like this while the system behind them is away.
        return doubtful(answer.code)
    return busy("?")
