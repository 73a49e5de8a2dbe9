"""The chain verifies whatever is appended, by however many connections at once."""

import hashlib
import hmac
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from webportal.accounts.models import Role, User
from webportal.audit import chain, epochs
from webportal.audit.chain import batches
from webportal.audit.keyring import Key, configured
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append, append_all
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
def test_every_kind_of_detail_is_read_back_with_the_same_mac(value: Any) -> None:
    append(Event(Action.STUDY_CHANGED, "study", uuid.uuid4(), uuid.uuid4(), {"value": value}))
    assert verify().findings == []


@pytest.mark.django_db
def test_a_detail_that_json_cannot_represent_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="JSON"):
        append(Event(Action.STUDY_CHANGED, detail={"value": float("nan")}))
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_concurrent_appends_form_one_chain_without_gaps() -> None:
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
def test_nothing_is_verified_with_another_key(settings: Settings) -> None:
    append(Event(Action.SIGNED_IN), "someone")
    settings.AUDIT_KEY = "another key"
    assert [str(finding).split(",")[0] for finding in verify().findings] == [
        "entries 1 to 1 cannot be verified"
    ]


KEY = Key.of("a key")


def made_entry(**changed: Any) -> AuditEntry:
    fields: dict[str, Any] = {
        "sequence": 7,
        "at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "actor_id": uuid.UUID(int=1),
        "actor": "ann",
        "action": "study.viewed",
        "object_type": "study",
        "object_id": "s",
        "study_id": uuid.UUID(int=2),
        "detail": {"a": 1},
        "previous_mac": "ab",
    }
    return AuditEntry(**fields | changed)


def test_the_mac_covers_the_documented_content() -> None:
    content = (
        '["ab",7,1767323045000006,"00000000-0000-0000-0000-000000000001","ann","study.viewed",'
        '"study","s","00000000-0000-0000-0000-000000000002",{"a":1}]'
    )
    expected = hmac.new(b"a key", content.encode(), "sha256").hexdigest()
    assert compute_mac(made_entry(), KEY) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"previous_mac": "ac"},
        {"sequence": 8},
        {"at": datetime(2026, 1, 2, 3, 4, 5, 7, tzinfo=UTC)},
        {"actor_id": None},
        {"actor": "bob"},
        {"action": "study.changed"},
        {"object_type": "read"},
        {"object_id": "t"},
        {"study_id": None},
        {"detail": {"a": 2}},
        {"origin": {}},
        {"origin": {"address": "192.0.2.1"}},
    ],
    ids=lambda changed: str(*changed),
)
def test_the_mac_covers_every_part_of_an_entry(changed: dict[str, Any]) -> None:
    assert compute_mac(made_entry(**changed), KEY) != compute_mac(made_entry(), KEY)


@pytest.mark.django_db
def test_verification_computes_the_same_macs_as_appending() -> None:
    details: list[dict[str, Any]] = [
        {},
        {"value": 0.1, "ä": ["\u2028", None, {"b": 1e16, "a": -0.0}]},
        {"10": True},
    ]
    for detail in details:
        append(Event(Action.STUDY_CHANGED, 'a "study"', "ä", uuid.uuid4(), detail), "ann \\ 胸部")
    entries = {entry.sequence: entry for entry in AuditEntry.objects.all()}
    [batch] = batches(3, epochs.read())
    for link in batch:
        assert link.computed == link.mac == compute_mac(entries[link.sequence], configured())
        assert link.microseconds == int(entries[link.sequence].at.timestamp() * 1e6)


@pytest.mark.django_db
def test_verification_spans_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BATCH", 4)
    append_all([Event(Action.STUDY_VIEWED, "study", str(n)) for n in range(10)], "ann")
    done: list[tuple[int, int]] = []
    assert verify(lambda entries, of: done.append((entries, of))).entries == 10
    assert done == [(4, 10), (8, 10), (10, 10)]


@pytest.mark.django_db
def test_entries_with_and_without_an_origin_verify_in_one_chain(radiologist: User) -> None:
    append(Event(Action.AUDIT_VERIFIED))
    client = Client()
    client.post(
        "/sign-in",
        {"username": radiologist.username, "password": PASSWORD},
        REMOTE_ADDR="192.0.2.9",
        headers={"User-Agent": "Firefox/140"},
    )
    append(Event(Action.AUDIT_VERIFIED))
    system, signed_in, again = AuditEntry.objects.order_by("sequence")
    assert system.origin is None
    assert again.origin is None
    session = hashlib.sha256(str(client.session.session_key).encode()).hexdigest()[:16]
    assert signed_in.origin == {
        "address": "192.0.2.9",
        "device": "Firefox/140",
        "session": session,
    }
    assert verify().findings == []


@pytest.mark.parametrize("forged", ["NULL", "'{}'", "'null'", '\'{"address": "192.0.2.1"}\''])
@pytest.mark.django_db
def test_a_changed_or_removed_origin_is_detected(sign_in: Any, forged: str) -> None:
    sign_in(User.objects.create_user("auditor", None, [Role.AUDITOR])).get("/audit/")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        cursor.execute(
            f"UPDATE audit_auditentry SET origin = {forged} WHERE action = 'audit.viewed'"
        )
    assert "the entry was altered" in str(verify().findings[0])


@pytest.mark.django_db
def test_an_origin_added_to_an_older_entry_is_detected() -> None:
    append(Event(Action.AUDIT_VERIFIED))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_auditentry SET origin = '{}'")
    assert "the entry was altered" in str(verify().findings[0])
