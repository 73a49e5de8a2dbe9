"""Details can be erased, and nothing else; what else is done to an entry is found."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from tests.audit.test_verification import behind_its_back, problems
from webportal.audit import erasure
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append, append_all
from webportal.audit.verification import verify

pytestmark = pytest.mark.django_db

GONE = "the details of the entry are gone"


def fill() -> None:
    append_all([Event(Action.PATIENT_CHANGED, "patient", f"p{n}", detail={"n": n}) for n in (1, 2)])
    append_all([Event(Action.PATIENT_CHANGED, "patient", "p3", detail={"n": 3})], "ann")


def erase(*names: str) -> AuditEntry:
    entries = AuditEntry.objects.filter(object_id__in=names)
    return erasure.erase(entries, Event(Action.RECORDS_ERASED), {"patient": names}, "ann")


def test_details_go_and_the_chain_holds() -> None:
    fill()
    erased = erase("p1", "p3")
    append(Event(Action.SIGNED_IN), "ben")
    details = [each.detail for each in AuditEntry.objects.order_by("sequence")[:3]]
    assert details == [{"erased_by": 4}, {"n": 2}, {"erased_by": 4}]
    assert [number for number, _ in erased.detail["blanked"]] == [1, 3]
    assert verify().intact
    # What is blank already stays with the erasure that blanked it.
    assert [number for number, _ in erase("p1", "p2").detail["blanked"]] == [2]
    assert verify().intact


@pytest.mark.parametrize(
    ("done", "found"),
    [
        ("SET detail = '{}' WHERE sequence = 2", "the entry was altered"),
        ("""SET detail = '{"erased_by": 4}' WHERE sequence = 2""", GONE),
        ("""SET detail = '{"erased_by": 2}' WHERE sequence = 2""", "the entry was altered"),
        ("""SET detail = '{"erased_by": 99}' WHERE sequence = 2""", GONE),
        ("""SET detail = '{"erased_by": "4"}' WHERE sequence = 2""", "the entry was altered"),
        ("SET actor = 'ben' WHERE sequence = 3", GONE),
        ("SET action = 'patient.viewed' WHERE sequence = 1", GONE),
        ("""SET detail = '{"erased_by": 5}' WHERE sequence = 1""", GONE),
        ("""SET detail = '{"n": 1}' WHERE sequence = 1""", "erasure 4 removed them"),
    ],
)
def test_what_is_done_by_hand_is_found(done: str, found: str) -> None:
    fill()
    erase("p1", "p3")
    append(Event(Action.SIGNED_IN), "ben")
    behind_its_back(f"UPDATE audit_auditentry {done}")
    assert any(found in problem for _, problem in problems())


def test_an_erasure_that_is_forged_erases_nothing() -> None:
    fill()
    erase("p1")
    append(Event(Action.SIGNED_IN), "ben")
    listed = AuditEntry.objects.get(sequence=4).detail["blanked"] + [[2, "0" * 32]]
    behind_its_back(
        "UPDATE audit_auditentry SET detail = jsonb_set(detail, '{blanked}',"
        f""" '{str(listed).replace("'", '"')}') WHERE sequence = 4"""
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_blank(4)")
    found = problems()
    assert (4, "the entry was altered") in found
    assert {number for number, _ in found} == {1, 2, 4}


def test_an_erasure_during_a_verification_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    monkeypatch.setattr("webportal.audit.chain.BATCH", 1)
    done: list[int] = []

    def erase_meanwhile(count: int, total: int) -> None:
        # The head was read before it, and the second and third entry are read after it.
        if not done:
            erase("p1", "p3")
            done.append(total)

    assert verify(erase_meanwhile).intact
    assert done == [3]
    done.clear()
    behind_its_back(
        """UPDATE audit_auditentry SET detail = '{"erased_by": 5}' WHERE sequence = 2"""
    )
    found = [(each.code, each.sequence) for each in verify(erase_meanwhile).findings]
    assert ("blanked", 2) in found


def update(sequence: int, **values: Any) -> None:
    AuditEntry.objects.filter(sequence=sequence).update(**values)


@pytest.mark.parametrize(
    ("sequence", "values"),
    [
        (2, {"detail": {"erased_by": 4}}),
        (2, {"detail": {}}),
        (1, {"detail": {}}),
        (1, {"detail": {"erased_by": 5}}),
        (1, {"actor": "ben"}),
    ],
)
def test_the_database_refuses_every_other_change(sequence: int, values: dict[str, Any]) -> None:
    fill()
    erase("p1")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        update(sequence, **values)


def test_an_erasure_blanks_only_what_it_lists_and_what_came_before() -> None:
    fill()
    later = {"blanked": [[2, "0" * 32], [5, "0" * 32]]}
    append(Event(Action.RECORDS_ERASED, detail=later))
    append(Event(Action.PATIENT_CHANGED, "patient", "p5", detail={"n": 5}))
    refused = pytest.raises(DatabaseError, match="append-only")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT audit_blank(4)")
