"""Starts and stops of portal, workers and scheduler are in the access log."""

import pytest

import scheduler.app
from deploy import gunicorn_conf
from webportal.access.models import AccessEntry
from webportal.inference.presence import report_start, report_stop

pytestmark = pytest.mark.django_db


def said() -> list[tuple[str, str]]:
    entries = AccessEntry.objects.order_by("id")
    return [(entry.kind, entry.criteria["program"]) for entry in entries]


def test_a_process_of_the_portal_says_when_it_starts_and_stops() -> None:
    gunicorn_conf.post_worker_init(None)
    gunicorn_conf.worker_exit(None, None)
    assert said() == [("start", "portal"), ("stop", "portal")]
    assert {entry.user for entry in AccessEntry.objects.all()} == {"system"}


def test_a_worker_says_when_it_starts_and_stops() -> None:
    report_start("gpu-1@host")
    report_stop("gpu-1@host")
    assert said() == [("start", "worker"), ("stop", "worker")]
    entry = AccessEntry.objects.first()
    assert entry is not None
    assert entry.criteria["process"] == "gpu-1@host"


def test_the_scheduler_says_when_it_starts_and_stops() -> None:
    scheduler.app._begin()
    scheduler.app._record_stop()
    assert said() == [("start", "scheduler"), ("stop", "scheduler")]
