"""Whatever is appended, by however many at once, verifies afterwards."""

import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append
from webportal.audit.verification import anchor, verify


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
@pytest.mark.parametrize(
    ("damage", "unreadable"),
    [
        (lambda text: text[:40], 1),
        (lambda text: text + "3 abc", 1),
        (lambda text: "\x00\xff" * 20 + "\n" + text, 1),
        (lambda text: "not a number " + "0" * 64 + " now\n" + "\n" + text, 2),
    ],
    ids=["cut short", "half a line", "binary", "nonsense"],
)
def test_a_damaged_anchor_file_is_a_finding(
    damage: Any, unreadable: int, settings: Settings
) -> None:
    append(Event(Action.SIGNED_IN), "someone")
    anchor()
    file: Path = settings.AUDIT_ANCHOR_FILE
    file.write_text(damage(file.read_text()), encoding="latin-1")
    findings = [str(finding) for finding in verify().findings]
    assert len(findings) == 1
    assert findings[0].startswith(f"the anchor file is damaged: {unreadable} unreadable")


@pytest.mark.django_db
def test_an_anchor_after_a_torn_line_is_readable(settings: Settings) -> None:
    append(Event(Action.SIGNED_IN), "someone")
    settings.AUDIT_ANCHOR_FILE.write_text("1 0123")
    assert anchor()
    assert verify().anchors == 1


@pytest.mark.django_db
def test_an_unchanged_head_is_anchored_once() -> None:
    assert not anchor()
    append(Event(Action.SIGNED_IN), "someone")
    assert anchor()
    assert not anchor()
    append(Event(Action.SIGNED_OUT), "someone")
    assert anchor()
    assert verify().anchors == 2


@pytest.mark.django_db
def test_anchors_that_contradict_each_other_are_found(settings: Settings) -> None:
    append(Event(Action.SIGNED_IN), "someone")
    settings.AUDIT_ANCHOR_FILE.write_text(f"1 {'f' * 64} 2026-01-01T00:00:00+00:00\n")
    anchor()
    findings = verify().findings
    assert [finding.sequence for finding in findings] == [1]
    assert "does not match its anchor" in findings[0].problem
