"""Paused priorities are claimed by nobody, and everything that counts waiting jobs knows it."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.factories import make_worker
from tests.helpers import audit_actions
from tests.inference.cases import queued
from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry
from webportal.database.compatibility import PROTOCOL
from webportal.inference.claims import CLAIM, claim
from webportal.inference.health import QUEUE_PAUSED, QUEUE_STUCK, queue_health
from webportal.inference.models import Job, QueuePause
from webportal.inference.pauses import claimable, pause, paused_priorities, resume
from webportal.inference.queue import overdue
from webportal.records.choices import Priority

pytestmark = pytest.mark.django_db


def claimed(worker: str = "a") -> set[object]:
    return {job.id for job in claim(worker, 32)}


def keys(jobs: list[Job]) -> set[object]:
    return {job.pk for job in jobs}


def test_a_paused_priority_is_not_claimed_and_the_others_are(it_person: User) -> None:
    stat, routine = queued(2, Priority.STAT), queued(2, Priority.ROUTINE)
    pause(Priority.STAT, it_person)
    assert claimed() == keys(routine)
    assert claimed() == set()
    resume(Priority.STAT, it_person)
    assert claimed() == keys(stat)


def test_nothing_is_claimed_while_the_whole_queue_is_paused(it_person: User) -> None:
    jobs = queued(1, Priority.STAT) + queued(1, Priority.ROUTINE)
    pause(None, it_person)
    assert claimed() == set()
    assert paused_priorities() == set(Priority)
    resume(None, it_person)
    assert claimed() == keys(jobs)


def test_a_priority_paused_by_itself_stays_paused_when_the_queue_is_resumed(
    it_person: User,
) -> None:
    stat, _ = queued(1, Priority.STAT), queued(1, Priority.ROUTINE)
    pause(Priority.ROUTINE, it_person)
    pause(None, it_person)
    resume(None, it_person)
    assert paused_priorities() == {Priority.ROUTINE}
    assert claimed() == keys(stat)


def test_pausing_and_resuming_is_in_the_trail_once(it_person: User) -> None:
    assert [pause(Priority.STAT, it_person), pause(Priority.STAT, it_person)] == [True, False]
    assert [resume(Priority.STAT, it_person), resume(Priority.STAT, it_person)] == [True, False]
    pause(None, it_person)
    entries = AuditEntry.objects.order_by("sequence").values_list("action", "object_id", "actor_id")
    assert list(entries) == [
        (Action.QUEUE_PAUSED, "stat", it_person.pk),
        (Action.QUEUE_RESUMED, "stat", it_person.pk),
        (Action.QUEUE_PAUSED, "all", it_person.pk),
    ]


def test_the_database_keeps_one_pause_of_the_whole_queue() -> None:
    QueuePause.objects.create(since=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        QueuePause.objects.create(since=timezone.now())


def test_what_may_be_claimed_is_the_same_for_workers_and_for_those_who_count(
    it_person: User,
) -> None:
    for priority in Priority:
        queued(2, priority)
    pause(Priority.URGENT, it_person)
    waiting = set(claimable().values_list("pk", flat=True))
    assert claimed() == waiting


def test_paused_jobs_neither_wake_workers_nor_count_as_stuck(it_person: User) -> None:
    make_worker()
    queued(1, Priority.ROUTINE)
    Job.objects.update(queued_at=timezone.now() - timedelta(hours=1))
    assert QUEUE_STUCK in queue_health().alerts
    assert overdue(timedelta(minutes=1)).exists()
    pause(Priority.ROUTINE, it_person)
    alerts = queue_health().alerts
    assert QUEUE_PAUSED in alerts
    assert QUEUE_STUCK not in alerts
    assert not overdue(timedelta(minutes=1)).exists()


def test_a_pause_that_delays_nothing_is_no_alert(it_person: User) -> None:
    make_worker()
    pause(Priority.STAT, it_person)
    assert QUEUE_PAUSED not in queue_health().alerts


def test_paused_jobs_at_the_head_of_the_line_are_never_read(it_person: User) -> None:
    """Otherwise every claim would walk past all of them."""
    queued(1, Priority.ROUTINE)
    pause(Priority.STAT, it_person)
    parameters: dict[str, Any] = {
        "worker": "a",
        "limit": 8,
        "busy": False,
        "lease": timedelta(seconds=60),
        "priorities": Priority.values,
        "protocol": PROTOCOL,
    }
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {CLAIM}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    scan = plan[plan.index("Index Scan using job_queue") :]
    assert "Index Cond: (priority = ANY" in scan


def test_the_command_pauses_shows_and_resumes() -> None:
    queued(3, Priority.STAT)
    said = StringIO()
    call_command("queue", "pause", "stat", stdout=said)
    (stat,) = [line for line in said.getvalue().splitlines() if line.startswith("stat")]
    assert stat.split()[1] == "3"
    assert stat.endswith("paused")
    assert claimed() == set()
    call_command("queue", "resume", "stat", stdout=said)
    assert len(claimed()) == 3
    assert audit_actions(object_type="queue") == [Action.QUEUE_PAUSED, Action.QUEUE_RESUMED]
    assert AuditEntry.objects.filter(object_type="queue", actor__startswith="manage.py (").exists()
    with pytest.raises(CommandError):
        call_command("queue", "pause", "later", stdout=said)
