"""The trail refuses changes, and changes made around it are detected and named."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from webportal.audit import runs
from webportal.audit.anchors import anchor
from webportal.audit.models import Action, AuditEntry, ChainHead
from webportal.audit.trail import Event, append, append_all
from webportal.audit.verification import verify

pytestmark = pytest.mark.django_db

TABLES = ("audit_auditentry", "audit_chainhead", "audit_anchorstate")


def fill(count: int = 5) -> None:
    append_all([Event(Action.STUDY_VIEWED, "study", str(n), detail={"n": n}) for n in range(count)])


def behind_its_back(statement: str) -> None:
    """Do what someone with the database's owner rights could do."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement)
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def problems() -> list[tuple[int, str]]:
    return [(finding.sequence, finding.problem) for finding in verify().findings]


def test_an_untouched_trail_is_intact() -> None:
    fill()
    anchor()
    append(Event(Action.SIGNED_IN), "someone")
    verdict = verify()
    assert verdict.intact
    assert (verdict.entries, verdict.anchors) == (7, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditEntry.objects.filter(sequence=2).update(actor="other"),
        lambda: AuditEntry.objects.filter(sequence=2).delete(),
        lambda: connection.cursor().execute("TRUNCATE audit_auditentry"),
        lambda: ChainHead.objects.all().delete(),
        lambda: ChainHead.objects.update(sequence=4),
        lambda: ChainHead.objects.update(mac="0" * 64),
    ],
    ids=["update", "delete", "truncate", "delete head", "turn head back", "change head's mac"],
)
def test_the_database_refuses_changes(change: Callable[[], object]) -> None:
    fill()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()


def test_an_altered_entry_is_named() -> None:
    fill()
    behind_its_back("UPDATE audit_auditentry SET actor = 'other' WHERE sequence = 3")
    assert problems() == [(3, "the entry was altered")]


def test_a_deleted_entry_is_named() -> None:
    fill()
    behind_its_back("DELETE FROM audit_auditentry WHERE sequence IN (2, 3)")
    assert problems() == [(2, "entries 2 to 3 were deleted")]


def test_a_truncated_tail_and_head_is_revealed_by_the_anchor() -> None:
    fill()
    anchor()
    last = AuditEntry.objects.get(sequence=3)
    behind_its_back("DELETE FROM audit_auditentry WHERE sequence > 3")
    behind_its_back(f"UPDATE audit_chainhead SET sequence = 3, mac = '{last.mac}'")
    assert (4, "the trail was cut off: entries 4 to 6 are missing") in problems()


def test_an_entry_smuggled_in_after_the_head_is_named() -> None:
    fill()
    behind_its_back(
        "INSERT INTO audit_auditentry (sequence, at, actor, action, object_type, object_id, detail,"
        " previous_mac, mac) VALUES (6, now(), 'x', 'study.viewed', '', '', '{}', '', 'x')"
    )
    assert problems() == [(6, "the entry stands after the head of the chain")]


def test_a_chain_rewritten_with_the_key_is_revealed_by_the_anchor() -> None:
    fill()
    anchor()
    behind_its_back("DELETE FROM audit_auditentry")
    behind_its_back("UPDATE audit_chainhead SET sequence = 0, mac = repeat('0', 64)")
    append_all([Event(Action.STUDY_VIEWED, "study", "forged") for _ in range(6)])
    assert 6 in [number for number, _ in problems()]


def test_entries_from_a_diverged_chain_do_not_fit() -> None:
    """An old copy of the database that went on by itself has genuine entries of the same number."""
    fill(1)
    begun = ChainHead.objects.get()
    append_all([Event(Action.STUDY_VIEWED, "study", "elsewhere") for _ in range(2)])
    [genuine] = AuditEntry.objects.filter(sequence=3).values()
    behind_its_back("DELETE FROM audit_auditentry WHERE sequence > 1")
    behind_its_back(f"UPDATE audit_chainhead SET sequence = 1, mac = '{begun.mac}'")
    here = append(Event(Action.SIGNED_IN), "someone")
    AuditEntry.objects.create(**genuine | {"previous_mac": here.mac})
    behind_its_back(f"UPDATE audit_chainhead SET sequence = 3, mac = '{genuine['mac']}'")
    assert problems() == [(3, "the entry was altered")]


def test_a_reset_head_is_reported_although_nothing_can_be_appended() -> None:
    fill()
    behind_its_back("UPDATE audit_chainhead SET sequence = 3")
    verdict = runs.run_now(lambda done, total: None).verdict
    assert verdict is not None
    findings = [str(finding) for finding in verdict.findings]
    assert findings[:-1] == [
        "entry 3: the last entry is not the head of the chain",
        "entry 5: the entry stands after the head of the chain",
    ]
    assert "nothing can be appended" in findings[-1]
    assert AuditEntry.objects.count() == 5
