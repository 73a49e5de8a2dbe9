"""Days of the access log that are over are sealed in the audit trail."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection

from webportal.access import seals
from webportal.access.models import AccessEntry, AccessKind, AccessOutcome
from webportal.access.seals import content_of, seal
from webportal.audit.models import Action, AuditEntry
from webportal.audit.reconciliation import reconcile
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify
from webportal.database.clock import clock

pytestmark = pytest.mark.django_db


def days_ago(days: int) -> date:
    return clock().astimezone(UTC).date() - timedelta(days=days)


def enter(day: date, hour: int = 12, **fields: object) -> AccessEntry:
    """An entry of that day."""
    defaults: dict[str, object] = {"user": "asha", "roles": ["radiologist"], "route": "study"}
    defaults |= {"study_ids": [], "patient_ids": [], "file_ids": [], "criteria": {}}
    return AccessEntry.objects.create(
        at=datetime.combine(day, time(hour), UTC),
        kind=AccessKind.STUDY,
        outcome=AccessOutcome.DONE,
        **defaults | fields,
    )


def past_the_portal(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE access_accessentry DISABLE TRIGGER USER")
        cursor.execute(statement, values)
        cursor.execute("ALTER TABLE access_accessentry ENABLE TRIGGER USER")


def found() -> list[str]:
    return [str(each) for each in reconcile() if each.code == "access_differs"]


def test_each_day_that_is_over_is_sealed_once() -> None:
    enter(days_ago(4), hour=0)
    enter(days_ago(4), hour=23)
    enter(days_ago(0))
    assert seal() in (3, 4)  # yesterday's not in the first hour of a day
    assert seal() == 0
    sealed = AuditEntry.objects.filter(action=Action.ACCESS_SEALED).order_by("sequence")
    details = [entry.detail for entry in sealed][:2]
    assert [(each["day"], each["entries"]) for each in details] == [
        (str(days_ago(4)), 2),
        (str(days_ago(3)), 0),
    ]
    assert found() == []
    assert verify().intact


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_accessentry SET \"user\" = 'somebody' WHERE id = %s",
        "UPDATE access_accessentry SET at = at + interval '1 second' WHERE id = %s",
        "DELETE FROM access_accessentry WHERE id = %s",
    ],
)
def test_what_is_changed_or_removed_afterwards_is_found(statement: str) -> None:
    entry = enter(days_ago(4), study_ids=["6f9e7b0c-93a5-4b8e-8f3a-3b7a1e6c4d21"])
    enter(days_ago(3))
    seal()
    past_the_portal(statement, entry.pk)
    (said,) = found()
    assert str(days_ago(4)) in said


def test_what_is_put_in_afterwards_is_found() -> None:
    enter(days_ago(4))
    seal()
    enter(days_ago(3))
    (said,) = found()
    assert f"{days_ago(3)} (UTC) is not as it was sealed: it has 1 entries, and had 0" in said


def test_search_terms_may_be_cleared_by_an_erasure() -> None:
    entry = enter(days_ago(4), criteria={"text": "phantom"})
    seal()
    past_the_portal("UPDATE access_accessentry SET criteria = '{}' WHERE id = %s", entry.pk)
    assert found() == []


def test_days_whose_entries_were_removed_in_time_are_not_missed() -> None:
    entry = enter(days_ago(4))
    seal()
    past_the_portal("DELETE FROM access_accessentry WHERE id = %s", entry.pk)
    older_than = datetime.combine(days_ago(3), time(), UTC).isoformat()
    append(Event(Action.ACCESS_REMOVED, detail={"entries": 1, "older_than": older_than}))
    assert found() == []


def test_an_earlier_day_is_compared_once_a_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "_ALWAYS", timedelta(days=1))
    monkeypatch.setattr(seals, "_IN_TURN", 4)
    first, second = enter(days_ago(4)), enter(days_ago(3))
    seal()
    past_the_portal("DELETE FROM access_accessentry WHERE id = ANY(%s)", [first.pk, second.pk])
    (said,) = found()
    assert str(days_ago(4)) in said


def test_the_order_and_the_limits_of_a_day_count() -> None:
    before = content_of(days_ago(4))
    assert before.entries == 0
    enter(days_ago(4), hour=1)
    one = content_of(days_ago(4))
    assert (one.entries, one.sha256 != before.sha256) == (1, True)
    assert content_of(days_ago(5)) == before
