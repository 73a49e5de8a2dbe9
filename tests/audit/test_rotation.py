"""The key of the trail changes, and what came before stays verifiable."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from tests.audit.anchoring import codes, cut_back
from tests.audit.test_verification import behind_its_back
from webportal import keys
from webportal.audit import anchors, epochs, erasure, health, rotation
from webportal.audit.anchors import anchor
from webportal.audit.keyring import Key, MissingKeyError
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AnchorState, AuditEntry, ChainHead
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify

pytestmark = pytest.mark.django_db
FIRST, SECOND, THIRD = (f"{letter}4f1d2c7be09a8365d41c0b7f9e2a6d58" for letter in "abc")


def view(number: int = 1) -> AuditEntry:
    return append(Event(Action.STUDY_VIEWED, "study", str(number), detail={"n": number}), "ann")


def give(settings: Settings, key: str, *old: str) -> None:
    settings.AUDIT_KEY, settings.AUDIT_OLD_KEYS = key, "\n".join(old)


@pytest.fixture
def rotated(settings: Settings) -> None:
    """Three keys, and entries and anchors with each: 1 to 4, 5 to 7, 8 to 10."""
    give(settings, FIRST)
    for key in (SECOND, THIRD):
        view(1)
        anchor()
        view(2)
        AnchorState.objects.update(at=timezone.now() - anchors.IDLE)
        anchor()
        give(settings, key, FIRST, SECOND)
        rotation.rotate()
    view(3)
    view(4)
    anchor()


def remarks() -> list[tuple[Any, ...]]:
    return [
        tuple(each.values[name] for name in ("first", "last", "anchors", "key"))
        for each in verify().remarks
        if each.code == "key_of"
    ]


def test_all_is_verified_and_the_key_of_each_part_is_reported(rotated: None) -> None:
    assert verify().intact
    ids = [Key.of(each).id for each in (FIRST, SECOND, THIRD)]
    numbers = [entry.sequence for entry in AuditEntry.objects.filter(action="audit.key_changed")]
    second, third = sorted(numbers)
    last = ChainHead.objects.get().sequence
    assert remarks() == [
        (1, second - 1, 2, ids[0]),
        (second, third - 1, 2, ids[1]),
        (third, last, 1, ids[2]),
    ]
    changed = AuditEntry.objects.get(sequence=second)
    assert (changed.detail["previous_key"], changed.detail["key"]) == (ids[0], ids[1])
    assert compute_mac(changed, Key.of(SECOND)) == changed.mac


@pytest.mark.parametrize(
    ("missing", "left"), [(FIRST, (SECOND,)), (SECOND, (FIRST,)), (FIRST + SECOND, ())]
)
def test_without_an_old_key_its_part_is_never_intact(
    missing: str, left: tuple[str, ...], rotated: None, settings: Settings
) -> None:
    give(settings, THIRD, *left)
    assert codes() == {"key_missing", "anchors_unverified"}
    named = {found.values["key"] for found in verify().findings}
    assert named == {Key.of(key).id for key in (FIRST, SECOND) if key in missing}
    words = " ".join(map(str, verify().findings))
    assert "cannot be verified" in words
    assert "AUDIT_OLD_KEYS" in words
    behind_its_back("UPDATE audit_auditentry SET actor = 'eve' WHERE sequence = 9")
    assert "altered" in codes()


def test_a_key_from_a_file_with_a_line_feed_is_found(rotated: None, settings: Settings) -> None:
    fourth, fifth = (f"{letter}4f1d2c7be09a8365d41c0b7f9e2a6d58" for letter in "de")
    settings.AUDIT_KEY = f"{fourth}\n"
    settings.AUDIT_OLD_KEYS = f"{FIRST}\n{SECOND}\n{THIRD}\n"
    rotation.rotate()
    give(settings, fourth, FIRST, SECOND, THIRD)
    settings.AUDIT_OLD_KEYS += f"\n{fourth}"
    with pytest.raises(rotation.RotationError, match="before"):
        rotation.rotate()
    give(settings, fifth, FIRST, SECOND, THIRD, fourth)
    rotation.rotate()
    assert verify().intact


def test_until_the_change_all_go_on_under_the_key_before(settings: Settings) -> None:
    give(settings, FIRST)
    view()
    anchor()
    give(settings, SECOND, FIRST)
    with_both = view()
    assert compute_mac(with_both, Key.of(FIRST)) == with_both.mac
    keys.check_trail_key()
    assert health.KEY_WAITING in health.problems()
    assert codes() == {"key_not_begun"}
    call_command("rotate_audit_key")
    assert verify().intact
    assert health.KEY_WAITING not in health.problems()


def test_a_process_without_the_key_neither_starts_nor_appends(settings: Settings) -> None:
    give(settings, FIRST)
    view()
    for wrong in (SECOND, THIRD):
        give(settings, wrong)
        with pytest.raises(keys.RefusedKeyError, match=r"neither AUDIT_KEY nor in AUDIT_OLD_KEYS"):
            keys.check_at_start()
        with pytest.raises(CommandError, match="neither AUDIT_KEY"):
            call_command("prepare", verbosity=0)
        with pytest.raises(MissingKeyError), transaction.atomic():
            view()
        with pytest.raises(MissingKeyError), transaction.atomic():
            anchor()
    give(settings, SECOND, FIRST)
    rotation.rotate()
    give(settings, FIRST)
    with pytest.raises(keys.RefusedKeyError):
        keys.check_at_start()
    with pytest.raises(MissingKeyError), transaction.atomic():
        view()
    give(settings, SECOND, FIRST)
    assert verify().entries == 2
    assert verify().intact


def test_the_trail_of_an_earlier_release_goes_on_under_its_key_alone(settings: Settings) -> None:
    give(settings, FIRST)
    view()
    behind_its_back("UPDATE audit_chainhead SET key_id = ''")
    give(settings, SECOND)
    with pytest.raises(keys.RefusedKeyError):
        keys.check_trail_key()
    with pytest.raises(MissingKeyError), transaction.atomic():
        view()
    give(settings, FIRST)
    view()
    assert ChainHead.objects.get().key_id == Key.of(FIRST).id
    assert verify().intact


def test_what_cannot_be_rotated_is_refused(settings: Settings) -> None:
    give(settings, FIRST)
    view()
    with pytest.raises(CommandError, match="the key that the trail has already"):
        call_command("rotate_audit_key")
    give(settings, SECOND)
    with pytest.raises(CommandError, match="neither AUDIT_KEY nor in AUDIT_OLD_KEYS"):
        call_command("rotate_audit_key")
    give(settings, "weak", FIRST)
    with pytest.raises(CommandError, match="AUDIT_KEY has 4 characters"):
        call_command("rotate_audit_key")
    give(settings, SECOND, FIRST)
    call_command("rotate_audit_key")
    give(settings, FIRST, SECOND)
    with pytest.raises(CommandError, match="has had the key"):
        call_command("rotate_audit_key")


def test_the_database_changes_the_key_with_an_entry_alone(rotated: None) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ChainHead.objects.update(key_id=Key.of(FIRST).id, sequence=99)


def test_a_trail_cut_off_before_the_change_is_reported_as_cut_off(rotated: None) -> None:
    cut_back(3)
    behind_its_back(f"UPDATE audit_chainhead SET key_id = '{Key.of(FIRST).id}'")
    found = codes()
    assert "cut_off" in found
    assert "anchor_forged" not in found


def test_after_a_restore_of_before_the_change_it_is_made_once_more(
    settings: Settings,
) -> None:
    give(settings, FIRST)
    view()
    anchor()
    before = ChainHead.objects.get()
    give(settings, SECOND, FIRST)
    rotation.rotate()
    anchor()
    cut_back(before.sequence)
    behind_its_back(f"UPDATE audit_chainhead SET key_id = '{before.key_id}'")
    rotation.rotate()
    view()
    anchors.restart("restored the backup")
    assert verify().intact
    assert Key.of(SECOND).id == ChainHead.objects.get().key_id


def test_a_state_that_was_altered_stays_altered_after_a_change(settings: Settings) -> None:
    give(settings, FIRST)
    view()
    anchor()
    view()
    anchor()
    behind_its_back("UPDATE audit_anchorstate SET number = 3")
    give(settings, SECOND, FIRST)
    rotation.rotate()
    assert "state_altered" in codes()


def test_what_an_old_key_made_can_still_be_erased(rotated: None, settings: Settings) -> None:
    entries = AuditEntry.objects.filter(action="study.viewed", object_id="1")
    assert entries.count() == 2
    with undone():
        give(settings, THIRD, SECOND)
        with pytest.raises(MissingKeyError), transaction.atomic():
            erasure.erase(entries, Event(Action.RECORDS_ERASED), {})
    give(settings, THIRD, FIRST, SECOND)
    erasure.erase(entries, Event(Action.RECORDS_ERASED), {})
    assert verify().intact
    give(settings, THIRD, SECOND)
    assert "not_blank" not in codes()


def test_a_change_during_a_verification_is_no_finding(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(settings, FIRST)
    view()
    anchor()
    read = epochs.read
    calls = 0

    def read_and_rotate() -> epochs.Epochs:
        nonlocal calls
        found = read()
        calls += 1
        if calls == 1:
            monkeypatch.setattr(epochs, "read", read)
            give(settings, SECOND, FIRST)
            rotation.rotate()
            view()
        return found

    monkeypatch.setattr(epochs, "read", read_and_rotate)
    assert verify().findings == []
    assert verify().entries == 4


@pytest.mark.django_db(transaction=True)
def test_processes_that_append_during_a_change_make_one_chain(settings: Settings) -> None:
    give(settings, FIRST)
    view()
    give(settings, SECOND, FIRST)
    refused: list[Exception] = []

    def in_own_connection(do: Callable[[], object]) -> None:
        try:
            do()
        except rotation.RotationError as error:
            refused.append(error)
        finally:
            connection.close()

    def write() -> None:
        for number in range(15):
            view(number)

    def change() -> None:
        rotation.rotate()

    threads = [
        threading.Thread(target=in_own_connection, args=(do,))
        for do in (write, write, change, write, change, write)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert AuditEntry.objects.filter(action="audit.key_changed").count() == 1
    verdict = verify()
    assert verdict.findings == []
    assert verdict.entries == 62


@contextmanager
def undone() -> Iterator[None]:
    """Take back what is done to the database within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _alter(data: Any, entry: AuditEntry) -> str:
    column = data.draw(
        st.sampled_from(["at", "actor", "action", "object_id", "detail", "previous_mac", "mac"])
    )
    value = {
        "at": "at + interval '1 microsecond'",
        "action": "CASE action WHEN 'audit.key_changed' THEN 'study.viewed' ELSE 'audit.x' END",
        "detail": 'detail || \'{"key": "0123456789abcdef"}\'',
        "previous_mac": "repeat('1', 64)",
        "mac": "md5(mac) || md5(mac)",
    }.get(column, f"{column} || 'x'")
    behind_its_back(
        f"UPDATE audit_auditentry SET {column} = {value} WHERE sequence = {entry.sequence}"
    )
    return f"{column} of {entry.sequence}"


def _delete(data: Any, entry: AuditEntry) -> str:
    behind_its_back(f"DELETE FROM audit_auditentry WHERE sequence = {entry.sequence}")
    return f"deleted {entry.sequence}"


def _swap(data: Any, entry: AuditEntry) -> str:
    """Put the content of one entry, with its own MACs, in the place of another."""
    others = AuditEntry.objects.exclude(sequence=entry.sequence).order_by("sequence")
    other = data.draw(st.sampled_from(list(others)))
    behind_its_back(f"UPDATE audit_auditentry SET sequence = -1 WHERE sequence = {entry.sequence}")
    behind_its_back(
        f"UPDATE audit_auditentry SET sequence = {entry.sequence} WHERE sequence = {other.sequence}"
    )
    behind_its_back(f"UPDATE audit_auditentry SET sequence = {other.sequence} WHERE sequence = -1")
    return f"swapped {entry.sequence} and {other.sequence}"


def _resign(data: Any, entry: AuditEntry) -> str:
    """Alter an entry, and sign it and all after it with a key that was given up."""
    leaked = Key.of(data.draw(st.sampled_from([FIRST, SECOND])))
    previous = entry.previous_mac
    for each in AuditEntry.objects.filter(sequence__gte=entry.sequence).order_by("sequence"):
        each.previous_mac = previous
        each.actor = "eve"
        previous = compute_mac(each, leaked)
        behind_its_back(
            f"UPDATE audit_auditentry SET actor = 'eve', previous_mac = '{each.previous_mac}',"
            f" mac = '{previous}' WHERE sequence = {each.sequence}"
        )
    behind_its_back(f"UPDATE audit_chainhead SET mac = '{previous}'")
    return f"signed from {entry.sequence} with {leaked.id}"


def _cut(data: Any, entry: AuditEntry) -> str:
    cut_back(entry.sequence - 1)
    key = data.draw(st.sampled_from([FIRST, SECOND, THIRD]))
    behind_its_back(f"UPDATE audit_chainhead SET key_id = '{Key.of(key).id}'")
    return f"cut before {entry.sequence}, head names {Key.of(key).id}"


def test_damage_on_either_side_of_a_change_is_found(rotated: None, settings: Settings) -> None:
    entries = list(AuditEntry.objects.order_by("sequence"))
    assert verify().intact
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditentry DROP CONSTRAINT audit_sequence_positive")

    @hypothesis_settings(
        max_examples=120,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.data())
    def check(data: Any) -> None:
        damage = data.draw(st.sampled_from([_alter, _delete, _swap, _resign, _cut]))
        left = data.draw(st.sampled_from([(FIRST, SECOND), (SECOND,), (FIRST,), ()]))
        entry = data.draw(st.sampled_from(entries))
        with undone():
            what = damage(data, entry)
            give(settings, THIRD, *left)
            findings = verify().findings
            assert findings, what
            if len(left) == 2:
                # With every key the damage itself is named, and no key said to be missing.
                assert {each.code for each in findings} - {"key_missing"}, what
        give(settings, THIRD, FIRST, SECOND)

    check()
    assert verify().intact
