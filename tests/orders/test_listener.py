"""The listener as a process: who may send, how much, and what is on record when it answers."""

import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import certificate
from tests.helpers import wait_until
from tests.orders.conftest import Listener
from tests.orders.messages import make_source, order, ordered_study, parsed
from webportal.audit.models import Action, AuditEntry
from webportal.orders.models import Order, RejectedSender

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., Listener]


def test_orders_are_answered_one_after_the_other_on_a_connection(start_listener: Start) -> None:
    make_source()
    study = ordered_study()
    listener = start_listener()
    sender = listener.connect()
    assert parsed(sender.ask(order(message_id="1"))) == ("AA", "")
    # A sender may be ahead of the answers, and its bytes may come one by one.
    sender.send(order("XO", minute=1, message_id="2"))
    for byte in b"\x0b" + order("CA", minute=2, message_id="3") + b"\x1c\r":
        sender.peer.sendall(bytes([byte]))
    answers = [sender.answer(), sender.answer()]
    assert [answer.decode().split("\r")[1] for answer in answers] == ["MSA|AA|2", "MSA|AA|3"]
    assert study.order_links.get().order.is_cancelled
    assert listener.stop() == 0


def test_what_was_answered_survives_a_kill_and_comes_once(start_listener: Start) -> None:
    make_source()
    ordered_study()
    listener = start_listener()
    acknowledged = []

    def send() -> None:
        sender = listener.connect()
        with contextlib.suppress(OSError):
            for number in range(200):
                if not sender.ask(_numbered(number)):
                    return
                acknowledged.append(number)

    thread = threading.Thread(target=send)
    thread.start()
    wait_until(lambda: len(acknowledged) > 10, "some are answered")
    listener.stop(signal.SIGKILL)
    thread.join()
    known = set(Order.objects.values_list("accession_number", flat=True))
    assert {f"A-{number}" for number in acknowledged} <= known
    # The sender repeats what was not answered, and one that was.
    sender = start_listener().connect()
    for number in range(acknowledged[-1], acknowledged[-1] + 2):
        assert parsed(sender.ask(_numbered(number))) == ("AA", "")
    assert Order.objects.count() == acknowledged[-1] + 2
    assert AuditEntry.objects.filter(action=Action.ORDER_RECEIVED).count() == Order.objects.count()


def _numbered(number: int) -> bytes:
    return order(message_id=f"K{number}", obr={18: f"A-{number}"})


def test_messages_of_an_order_that_arrive_together_make_one_order(
    start_listener: Start,
) -> None:
    make_source()
    listener = start_listener()
    senders = [listener.connect() for _number in range(4)]
    for sender, control in zip(senders, ("NW", "XO", "NW", "XO"), strict=True):
        sender.send(order(control, message_id=f"{id(sender)}"))
    assert [parsed(sender.answer())[0] for sender in senders] == ["AA"] * 4
    assert Order.objects.count() == 1


def test_only_known_addresses_may_send(start_listener: Start) -> None:
    source = make_source(addresses=["192.0.2.7"])
    listener = start_listener()
    assert _is_closed(listener)
    assert RejectedSender.objects.get().address == "127.0.0.1"
    type(source).objects.update(addresses=["127.0.0.0/8"])
    sender = listener.connect()
    assert parsed(sender.ask(order()))[0] == "AA"
    # Nor any more once it may not.
    type(source).objects.update(is_active=False)
    assert sender.ask(order()) == b""
    assert "127.0.0.1" in listener.log.read_text()


def _is_closed(listener: Listener) -> bool:
    try:
        return listener.connect().ask(order()) == b""
    except OSError:
        return True


def test_a_message_that_is_too_long_is_refused_before_it_has_arrived(
    start_listener: Start,
) -> None:
    make_source()
    listener = start_listener(ORDERS_MESSAGE_BYTES="5000")
    sender = listener.connect()
    sender.peer.sendall(b"\x0b" + order(message_id="7", obr={13: "x" * 9000}))
    code, words = parsed(sender.answer())
    assert (code, words) == ("AR", "The message is longer than ORDERS_MESSAGE_BYTES.")
    assert sender.answer() == b""
    assert not Order.objects.exists()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x0b", b"\x0bMSH|", b"\x1c\r"])
def test_what_is_no_message_or_stops_in_one_ends_the_connection(
    start_listener: Start, sent: bytes
) -> None:
    make_source()
    listener = start_listener(ORDERS_ANSWER_SECONDS="1", ORDERS_IDLE_SECONDS="20")
    sender = listener.connect()
    sender.peer.sendall(sent)
    assert sender.answer() == b""
    assert parsed(listener.connect().ask(order()))[0] == "AA"


def test_connections_are_limited_and_given_back(start_listener: Start) -> None:
    make_source()
    listener = start_listener(ORDERS_CONNECTIONS="2")
    first, second = listener.connect(), listener.connect()
    assert [parsed(each.ask(order()))[0] for each in (first, second)] == ["AA", "AA"]
    assert _is_closed(listener)
    first.peer.close()
    wait_until(lambda: not _is_closed(listener), "there is room again")


def test_a_thousand_connections_leave_nothing_behind(start_listener: Start) -> None:
    make_source()
    listener = start_listener()
    for _number in range(1000):
        socket.create_connection(("127.0.0.1", listener.port)).close()
    folder = Path(f"/proc/{listener.process.pid}")

    def is_quiet() -> bool:
        return (
            len(list((folder / "fd").iterdir())) < 20
            and len(list((folder / "task").iterdir())) < 10
        )

    wait_until(is_quiet, "its files and threads are closed")
    assert parsed(listener.connect().ask(order()))[0] == "AA"


def test_client_certificates_can_be_required(start_listener: Start, tmp_path: Path) -> None:
    make_source()
    certificate(tmp_path, "authority")
    for name in ("listener", "ris"):
        certificate(tmp_path, name, "authority")
    certificate(tmp_path, "stranger")
    listener = start_listener(
        ORDERS_TLS_CERTIFICATE=f"{tmp_path}/listener.pem",
        ORDERS_TLS_KEY=f"{tmp_path}/listener.key",
        ORDERS_TLS_CLIENT_CA=f"{tmp_path}/authority.pem",
        ORDERS_ANSWER_SECONDS="5",
    )

    def ask(name: str) -> str:
        context = ssl.create_default_context(cafile=f"{tmp_path}/authority.pem")
        context.check_hostname = False
        context.load_cert_chain(f"{tmp_path}/{name}.pem", f"{tmp_path}/{name}.key")
        return parsed(listener.connect(context).ask(order()))[0]

    # A client that never begins its handshake keeps nobody waiting.
    silent = listener.connect()
    assert ask("ris") == "AA"
    with pytest.raises((OSError, IndexError)):
        ask("stranger")
    assert silent.ask(order()) == b""
    assert Order.objects.count() == 1
