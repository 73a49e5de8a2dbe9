"""Two schedulers at once: one sends the tasks, the other waits for its end."""

import time
from typing import Any

import psutil
import pytest
from django.db import connection

from scheduler.app import app
from scheduler.beat import RETRY_SECONDS, GuardedScheduler
from tests.helpers import wait_until
from webportal.database.base import CHECK_SECONDS


class _Noting(GuardedScheduler):
    """Notes what it would send instead of sending it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        super().__init__(app=app, lazy=True)
        self.setup_schedule()

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent.append(entry.name)


def _make_everything_due(scheduler: _Noting) -> None:
    for entry in scheduler.schedule.values():
        entry.last_run_at = scheduler.app.now().replace(year=2000)


@pytest.mark.django_db(transaction=True)
def test_a_second_scheduler_waits_until_the_first_has_gone() -> None:
    first, second = _Noting(), _Noting()
    for each in (first, second):
        _make_everything_due(each)
    try:
        first.tick()
        assert second.tick() == RETRY_SECONDS
        assert first.sent
        assert not second.sent
        first.close()
        second.tick()
        assert second.sent
    finally:
        first.close()
        second.close()


@pytest.mark.django_db(transaction=True)
def test_a_scheduler_whose_connection_was_cut_sends_nothing_until_it_has_the_lock_again() -> None:
    first, second = _Noting(), _Noting()
    try:
        _make_everything_due(first)
        first.tick()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            assert cursor.rowcount == 1
        _make_everything_due(second)
        # The server takes a moment to notice that the connection is gone.
        wait_until(lambda: second.tick() < RETRY_SECONDS, "the second has the lock")
        assert second.sent
        first.sent.clear()
        assert first.tick() == RETRY_SECONDS
        assert first.tick() == RETRY_SECONDS
        assert not first.sent
    finally:
        first.close()
        second.close()


@pytest.mark.django_db(transaction=True)
def test_a_scheduler_does_not_wait_for_a_server_that_hangs() -> None:
    first = _Noting()
    try:
        first.tick()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            [backend] = cursor.fetchone()
        psutil.Process(backend).suspend()
        try:
            started = time.monotonic()
            assert first.tick() == RETRY_SECONDS
            assert time.monotonic() - started < 2 * CHECK_SECONDS
        finally:
            psutil.Process(backend).resume()
        wait_until(lambda: first.tick() < RETRY_SECONDS, "it has the lock again")
    finally:
        first.close()
