"""Programs of a release that the database is too new for end, and say why."""

from collections.abc import Callable

import pytest
from django.db import connection

from tests.factories import make_radiograph
from tests.helpers import wait_until
from tests.server.conftest import Server
from tests.server.conftest import start_server as start_server
from tests.workers.conftest import CeleryProcess, start_scheduler
from tests.workers.conftest import _empty_broker as _empty_broker
from tests.workers.conftest import model as model
from tests.workers.conftest import start as start
from webportal.access.models import AccessEntry
from webportal.accounts.models import User
from webportal.database import compatibility
from webportal.inference.claims import claim
from webportal.inference.models import Job, JobState, ModelVersion
from webportal.inference.queue import enqueue

WHY = "upgraded to a release that this one cannot work beside"


def _upgrade(protocol: int = compatibility.PROTOCOL + 1) -> None:
    with connection.cursor() as cursor:
        compatibility.refuse_older(cursor.execute, protocol)


@pytest.mark.django_db
def test_a_program_of_the_database_s_protocol_works() -> None:
    compatibility.check()
    _upgrade(compatibility.PROTOCOL)
    compatibility.check()


@pytest.mark.django_db
def test_an_older_program_claims_nothing(uploader: User) -> None:
    enqueue(make_radiograph(), uploader)
    _upgrade()
    assert claim("old@test", 8) == []
    _upgrade(compatibility.PROTOCOL)
    assert len(claim("new@test", 8)) == 1


def test_an_older_worker_ends_and_leaves_the_work(
    start: Callable[..., CeleryProcess], model: ModelVersion, uploader: User
) -> None:
    worker = start()
    worker.wait_until_ready()
    _upgrade()
    enqueue(make_radiograph(), uploader)
    worker.wait_until_ended()
    assert WHY in worker.log.read_text()
    assert Job.objects.get().state == JobState.QUEUED
    again = start()
    again.wait_until_ended()
    assert f"This worker does not start. The database has been {WHY}" in again.log.read_text()


def test_an_older_scheduler_ends_in_good_order(
    start: Callable[..., CeleryProcess], model: ModelVersion
) -> None:
    scheduler = start_scheduler(start)
    wait_until(lambda: "ready" in scheduler.log.read_text() or _has_beat(scheduler), "it worked")
    _upgrade()
    scheduler.wait_until_ended()
    assert WHY in scheduler.log.read_text()
    recorded = AccessEntry.objects.filter(criteria__program="scheduler").order_by("id")
    assert [entry.kind for entry in recorded] == ["start", "stop"]


def _has_beat(scheduler: CeleryProcess) -> bool:
    return "This scheduler sends the tasks" in scheduler.log.read_text()


def test_an_older_portal_ends_and_does_not_start_again(
    start_server: Callable[..., Server],
) -> None:
    server = start_server()
    _upgrade()
    assert server.process.wait(60) == 0
    assert WHY in server.log.read_text()
    with pytest.raises(AssertionError, match=WHY):
        start_server()
