"""Hints are sent after the commit, survive a broker restart, and never fail an upload."""

from collections.abc import Iterator

import pytest
import redis
from django.db import transaction

from tests import services
from tests.inference.cases import queued
from webportal.inference.hint_sender import INFERENCE_QUEUE, drop_hints, send_hint
from webportal.inference.hints import hint_after_commit
from webportal.inference.models import Job


@pytest.fixture(autouse=True)
def _empty_broker() -> Iterator[None]:
    flush()
    yield
    flush()


def flush() -> None:
    with redis.Redis.from_url(services.valkey.url) as client:
        client.flushall()


def hints() -> list[bytes]:
    with redis.Redis.from_url(services.valkey.url) as client:
        waiting: list[bytes] = client.lrange(INFERENCE_QUEUE, 0, -1)
        return waiting


@pytest.mark.django_db(transaction=True)
def test_a_hint_is_sent_after_the_commit_and_contains_no_data() -> None:
    with transaction.atomic():
        (job,) = queued()
        assert hints() == []
    (hint,) = hints()
    assert str(job.pk).encode() not in hint


@pytest.mark.django_db(transaction=True)
def test_many_jobs_of_one_transaction_send_one_hint() -> None:
    with transaction.atomic():
        queued(3)
    assert len(hints()) == 1
    queued(2)
    assert len(hints()) == 3


@pytest.mark.django_db(transaction=True)
def test_no_hint_is_sent_after_a_rollback() -> None:
    with transaction.atomic():
        hint_after_commit()
        transaction.set_rollback(True)
    assert hints() == []


@pytest.mark.django_db(transaction=True)
def test_a_job_is_queued_without_a_broker() -> None:
    services.valkey.stop()
    try:
        queued()
    finally:
        services.valkey.start()
    assert Job.objects.count() == 1


def test_unneeded_hints_are_dropped() -> None:
    for _ in range(3):
        send_hint()
    drop_hints()
    assert hints() == []


def test_dropping_hints_without_a_broker_is_harmless() -> None:
    services.valkey.stop()
    try:
        drop_hints()
    finally:
        services.valkey.start()


def test_the_first_hint_after_a_restart_of_the_broker_arrives() -> None:
    assert send_hint()
    services.valkey.stop()
    services.valkey.start()
    flush()
    assert send_hint()
    assert len(hints()) == 1
