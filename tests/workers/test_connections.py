"""A worker keeps its database connection from one task to the next."""

from collections.abc import Callable

from django.db import connection

from tests.workers.conftest import (
    CeleryProcess,
    enqueue_all,
    wait_until,
    wait_until_finished,
)
from webportal.inference.models import ModelVersion
from webportal.records.models import Radiograph

Start = Callable[..., CeleryProcess]
MakeRadiographs = Callable[[int], list[Radiograph]]


def idle() -> list[int]:
    """The sessions of PostgreSQL that claimed jobs last, a while ago: that of an idle worker."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE state = 'idle' AND query LIKE %s"
            " AND state_change < clock_timestamp() - interval '1 second'",
            ["%WITH line AS MATERIALIZED%"],
        )
        return [pid for (pid,) in cursor.fetchall()]


def session() -> int:
    """The session of the one worker, once it is idle."""
    found: list[int] = []

    def is_idle() -> bool:
        found[:] = idle()
        return len(found) == 1

    wait_until(is_idle, "the worker was idle")
    return found[0]


def test_the_next_task_uses_the_connection_and_replaces_a_broken_one(
    start: Start, model: ModelVersion, make_radiographs: MakeRadiographs
) -> None:
    first, second, third = make_radiographs(3)
    worker = start()
    enqueue_all([first])
    wait_until_finished(1)
    kept = session()
    enqueue_all([second])
    wait_until_finished(2)
    assert session() == kept
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [kept])
    enqueue_all([third])
    wait_until_finished(3)
    assert session() != kept
    # It was found before the task needed it.
    assert "not responding" not in worker.output()
