"""Starts and stops of workers are in the access log.

Those of the portal: tests/server/test_slow_clients.py; of the scheduler:
tests/upgrade/test_refusing.py.
"""

import pytest

from webportal.access.models import AccessEntry
from webportal.inference.presence import report_start, report_stop

pytestmark = pytest.mark.django_db


def said() -> list[tuple[str, str]]:
    entries = AccessEntry.objects.order_by("id")
    return [(entry.kind, entry.criteria["program"]) for entry in entries]


def test_a_worker_logs_its_start_and_stop() -> None:
    report_start("gpu-1@host")
    report_stop("gpu-1@host")
    assert said() == [("start", "worker"), ("stop", "worker")]
    entry = AccessEntry.objects.first()
    assert entry is not None
    assert entry.criteria["process"] == "gpu-1@host"
    assert {each.user for each in AccessEntry.objects.all()} == {"system"}
