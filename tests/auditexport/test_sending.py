"""The trail arrives at a real syslog server: in order, and nothing is missing."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.auditexport.conftest import Server, entry_in
from tests.helpers import PATIENCE_SECONDS, wait_until
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append_all
from webportal.auditexport import health, sending, syslog
from webportal.auditexport.models import Target
from webportal.auditexport.sending import send_some

pytestmark = pytest.mark.django_db


def add(count: int) -> None:
    append_all([Event(Action.STUDY_VIEWED, "study", str(number)) for number in range(count)], "ann")


def all_sequences() -> list[int]:
    return list(AuditEntry.objects.order_by("sequence").values_list("sequence", flat=True))


def has_all(server: Server) -> bool:
    """Whether nothing is missing, and what was not repeated is in order."""
    return list(dict.fromkeys(server.sequences())) == all_sequences()


def test_entries_arrive_in_order_over_tls(server: Server) -> None:
    add(450)
    assert send_some(30) == len(all_sequences())
    wait_until(lambda: len(server.sequences()) == len(all_sequences()), "all are written")
    assert server.sequences() == all_sequences()
    assert send_some(30) == 0
    add(3)
    assert send_some(30) == 3
    wait_until(lambda: server.sequences() == all_sequences(), "the new ones are written")
    last = AuditEntry.objects.latest("sequence")
    assert entry_in(server.messages()[-1])["mac"] == last.mac


def test_entries_arrive_without_tls_where_that_is_asked_for(bare_server: Server) -> None:
    add(20)
    assert send_some(30) == len(all_sequences())
    wait_until(lambda: bare_server.sequences() == all_sequences(), "all are written")


def test_nothing_is_missing_after_the_server_was_away(server: Server) -> None:
    add(30)
    send_some(30)
    server.stop()
    add(30)
    began = time.monotonic()
    assert send_some(30) == 0
    assert time.monotonic() - began < syslog.CONNECT_SECONDS + syslog.ANSWER_SECONDS + 1
    target = Target.objects.get()
    assert (target.position, target.failures) == (30, 1)
    assert "refused" in target.error
    server.start()
    assert send_some(30) == 30
    wait_until(lambda: server.sequences() == all_sequences(), "all are written")
    target.refresh_from_db()
    assert (target.failures, target.error) == (0, "")


def test_nothing_is_missing_if_the_server_is_stopped_while_it_receives(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BATCH", 50)
    add(600)
    sent = 0

    def frame(*args: object, **keywords: object) -> bytes:
        nonlocal sent
        sent += 1
        if sent == 300:
            server.stop()
        return syslog.frame(*args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(sending, "frame", frame)
    assert send_some(30) == 0
    target = Target.objects.get()
    assert (target.position, target.failures) == (0, 1)
    server.start()
    assert send_some(30) == len(all_sequences())
    wait_until(lambda: has_all(server), "all are written")
    target.refresh_from_db()
    assert (target.position, target.failures) == (all_sequences()[-1], 0)


def test_a_receiver_that_does_not_confirm_gets_it_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as receiver, ThreadPoolExecutor() as beside:
        settings.AUDIT_EXPORT = f"syslog+tcp://127.0.0.1:{receiver.getsockname()[1]}"
        add(2)
        assert send_some(30) == 0
        target = Target.objects.get()
        assert (target.position, target.failures) == (0, 1)
        assert "timed out" in target.error
        first = _all_of(receiver)
        monkeypatch.setattr(syslog, "ANSWER_SECONDS", PATIENCE_SECONDS)
        second = beside.submit(_all_of, receiver)
        assert send_some(30) == len(all_sequences())
        assert second.result() == first
    target.refresh_from_db()
    assert (target.position, target.failures) == (all_sequences()[-1], 0)


def test_no_entry_goes_to_a_server_with_an_unknown_certificate(
    server: Server, settings: Settings
) -> None:
    settings.AUDIT_EXPORT_CA = ""
    add(2)
    assert send_some(30) == 0
    assert "certificate verify failed" in Target.objects.get().error
    assert server.sequences() == []


def test_the_server_may_ask_for_a_certificate(server: Server, settings: Settings) -> None:
    settings.AUDIT_EXPORT_CERTIFICATE = ""
    add(2)
    assert send_some(30) == 0
    assert Target.objects.get().position == 0


def test_a_failed_attempt_is_not_repeated_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUDIT_EXPORT = "syslog+tcp://127.0.0.1:1"
    monkeypatch.setattr(sending, "LONGEST_PAUSE_SECONDS", 60.0)
    add(1)
    for _ in range(3):
        send_some(30)
    target = Target.objects.get()
    assert target.failures == 1
    Target.objects.update(failures=20, next_attempt_at=timezone.now())
    send_some(30)
    target.refresh_from_db()
    assert target.next_attempt_at is not None
    pause = target.next_attempt_at - timezone.now()
    assert timedelta(seconds=40) < pause <= timedelta(seconds=60)


def test_a_step_without_time_left_sends_one_batch(server: Server) -> None:
    add(sending.BATCH + 1)
    before = AuditEntry.objects.count()
    assert send_some(0) == sending.BATCH
    # On a busy machine that took longer than its share.
    Target.objects.update(next_attempt_at=None)
    assert send_some(0) == before - sending.BATCH
    assert Target.objects.get().position == before


def test_nothing_is_sent_and_nothing_noted_without_the_setting() -> None:
    add(1)
    assert send_some(30) == 0
    assert not Target.objects.exists()
    assert health.problems() == []
    assert health.states() == []


def test_hospital_it_is_alerted_while_the_trail_does_not_get_on(settings: Settings) -> None:
    settings.AUDIT_EXPORT = "syslog+tcp://127.0.0.1:1"
    settings.AUDIT_EXPORT_LATE_MINUTES = 15
    add(1)
    send_some(30)
    assert health.problems() == []
    settings.AUDIT_EXPORT_LATE_MINUTES = 0
    assert health.problems() == [health.LATE]
    [state] = health.states()
    assert (state.waiting, "refused" in state.error) == (len(all_sequences()), True)
    # A long trail on its way to a new server.
    settings.AUDIT_EXPORT_LATE_MINUTES = 15
    Target.objects.update(position=0, moved_at=timezone.now())
    assert health.problems() == []
    Target.objects.update(position=all_sequences()[-1], moved_at=timezone.now() - timedelta(days=1))
    settings.AUDIT_EXPORT_LATE_MINUTES = 0
    assert health.problems() == []


def test_one_process_at_a_time_sends(settings: Settings, transactional_db: None) -> None:
    """A second one finds the row locked, and does not wait."""
    with socket.create_server(("127.0.0.1", 0)) as slow:
        settings.AUDIT_EXPORT = f"syslog+tcp://127.0.0.1:{slow.getsockname()[1]}"
        add(1)
        first = threading.Thread(target=_send_in_thread)
        first.start()
        peer, _ = slow.accept()
        assert peer.recv(10)
        assert send_some(30) == 0
        assert Target.objects.get().failures == 0
        while peer.recv(65536):
            pass
        peer.close()
        first.join()
    assert Target.objects.get().position == all_sequences()[-1]


def _all_of(receiver: socket.socket) -> bytes:
    """All that a peer sends in a connection; closing it then says that it has arrived."""
    peer, _ = receiver.accept()
    with peer, peer.makefile("rb") as sent:
        return sent.read()


def _send_in_thread() -> None:
    send_some(30)
    connection.close()
