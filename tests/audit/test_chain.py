"""Whatever is appended, by however many at once, verifies afterwards."""

import threading
import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from webportal.audit import chain
from webportal.audit.chain import batches
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append, append_all, compute_mac
from webportal.audit.verification import verify


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        0.1,
        -0.0,
        1e16,
        1e-7,
        5e-324,
        1.7976931348623157e308,
        2**70,
        True,
        None,
        "",
        "Zażółć gęślą jaźń 胸部 😀 \\ \" ' \u2028",
        [1, [2.0, {"b": 1, "a": None}]],
        (1, 2),
        {10: "ten", 9: "nine"},
        {"z": 1, "ä": 2, "a": 3},
    ],
    ids=repr,
)
@pytest.mark.django_db
def test_every_kind_of_detail_comes_back_with_the_same_mac(value: Any) -> None:
    append(Event(Action.STUDY_CHANGED, "study", uuid.uuid4(), uuid.uuid4(), {"value": value}))
    assert verify().findings == []


@pytest.mark.django_db
def test_a_detail_that_json_cannot_hold_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="JSON"):
        append(Event(Action.STUDY_CHANGED, detail={"value": float("nan")}))
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_appends_of_several_connections_form_one_chain_without_gaps() -> None:
    writers, each = 8, 15

    def write(name: str) -> None:
        try:
            for number in range(each):
                with transaction.atomic():
                    append(Event(Action.STUDY_VIEWED, detail={"n": number}), name)
                    if number % 5 == 4:
                        # A transaction that fails takes its entry with it and leaves no gap.
                        transaction.set_rollback(True)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(f"writer-{n}",)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    sequences = list(AuditEntry.objects.order_by("sequence").values_list("sequence", flat=True))
    assert sequences == list(range(1, writers * each * 4 // 5 + 1))
    assert verify().findings == []


@pytest.mark.django_db
def test_another_key_makes_every_entry_an_altered_one(settings: Settings) -> None:
    append(Event(Action.SIGNED_IN), "someone")
    settings.AUDIT_KEY = "another key"
    assert [str(finding) for finding in verify().findings] == ["entry 1: the entry was altered"]


@pytest.mark.django_db
def test_the_walk_computes_the_macs_that_appending_does() -> None:
    details: list[dict[str, Any]] = [
        {},
        {"value": 0.1, "ä": ["\u2028", None, {"b": 1e16, "a": -0.0}]},
        {"10": True},
    ]
    for detail in details:
        append(Event(Action.STUDY_CHANGED, 'a "study"', "ä", uuid.uuid4(), detail), "ann \\ 胸部")
    entries = {entry.sequence: entry for entry in AuditEntry.objects.all()}
    [batch] = batches(3)
    for link in batch:
        assert link.computed == link.mac == compute_mac(entries[link.sequence])
        assert link.microseconds == int(entries[link.sequence].at.timestamp() * 1e6)


@pytest.mark.django_db
def test_the_walk_goes_on_over_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BATCH", 4)
    append_all([Event(Action.STUDY_VIEWED, "study", str(n)) for n in range(10)], "ann")
    done: list[tuple[int, int]] = []
    assert verify(lambda entries, of: done.append((entries, of))).entries == 10
    assert done == [(4, 10), (8, 10), (10, 10)]
