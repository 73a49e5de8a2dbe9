"""Anchors are signed, chained, numbered and expected: any manipulation is a finding."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.audit.anchoring import codes, cut_back, lines, unsigned
from tests.audit.test_verification import behind_its_back
from webportal.audit import anchors
from webportal.audit.anchors import Anchor, anchor
from webportal.audit.keyring import configured
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AnchorState, AuditEntry, ChainHead
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify

pytestmark = pytest.mark.django_db


def put_back_a_year(file: Path) -> None:
    """Change the time of every anchor."""
    year = timezone.now().year
    file.write_text(file.read_text().replace(f" {year}-", f" {year - 1}-"))


def age(minutes: int) -> None:
    """Let everything in the trail and in the anchors have happened earlier, without a gap."""
    shift = timedelta(minutes=minutes)
    previous = "0" * 64
    for entry in AuditEntry.objects.order_by("sequence"):
        entry.at -= shift
        entry.previous_mac = previous
        previous = compute_mac(entry, configured())
        behind_its_back(
            f"UPDATE audit_auditentry SET at = '{entry.at.isoformat()}', mac = '{previous}',"
            f" previous_mac = '{entry.previous_mac}' WHERE sequence = {entry.sequence}"
        )
    behind_its_back(f"UPDATE audit_chainhead SET mac = '{previous}'")


def test_a_new_installation_is_intact_and_remarks_that_there_is_no_anchor_yet() -> None:
    assert verify().intact
    append(Event(Action.USER_CREATED), "system")
    verdict = verify()
    assert verdict.intact
    assert [remark.code for remark in verdict.remarks] == ["no_anchor_yet"]


def test_untouched_anchors_are_intact(anchored: Path) -> None:
    verdict = verify()
    assert verdict.intact
    assert not verdict.remarks
    assert verdict.anchors == 5
    assert AnchorState.objects.get().number == 5


def test_an_unchanged_head_is_anchored_again_after_ten_minutes() -> None:
    assert not anchor()
    append(Event(Action.SIGNED_IN), "someone")
    assert anchor()
    assert not anchor()
    AnchorState.objects.update(at=timezone.now() - anchors.IDLE)
    assert anchor()
    assert not anchor()
    append(Event(Action.SIGNED_OUT), "someone")
    assert anchor()
    assert verify().anchors == 3


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda file: file.unlink(), "anchors_gone"),
        (lambda file: file.write_text(""), "anchors_gone"),
        (lambda file: file.write_text("".join(lines(file)[:-1])), "anchors_missing"),
        (lambda file: file.write_text("".join(lines(file)[:1])), "anchors_missing"),
        (lambda file: file.write_text("".join(lines(file)[1:])), "anchors_missing"),
        (
            lambda file: file.write_text("".join(lines(file)[:2] + lines(file)[3:])),
            "anchors_missing",
        ),
        (lambda file: file.write_text("".join(reversed(lines(file)))), "anchor_out_of_line"),
        (lambda file: file.write_text("".join(lines(file) * 2)), "anchor_out_of_line"),
        (lambda file: put_back_a_year(file), "anchor_forged"),
        (lambda file: file.write_text(file.read_text()[:-20]), "anchors_damaged"),
        (lambda file: file.write_bytes(b"\x00\xff\n" + file.read_bytes()), "anchors_damaged"),
        (lambda file: file.write_text(file.read_text() + f"7 {'f' * 64} now\n"), "anchor_unsigned"),
    ],
    ids=[
        "deleted",
        "emptied",
        "last cut off",
        "all but one cut off",
        "first cut off",
        "one cut out",
        "reversed",
        "doubled",
        "another time",
        "half a line",
        "binary",
        "unsigned",
    ],
)
def test_damage_to_the_file_is_detected(
    anchored: Path, damage: Callable[[Path], object], code: str
) -> None:
    damage(anchored)
    assert code in codes()
    # It does not heal by going on.
    append(Event(Action.SIGNED_IN), "ann")
    anchor()
    assert codes()


def test_the_finding_says_what_to_do(anchored: Path) -> None:
    anchored.unlink()
    [finding] = verify().findings
    assert str(finding).startswith("AUDIT_ANCHOR_FILE: the anchors are gone. 5 had been written.")
    assert "fetch it from a backup or the second place" in str(finding)


@pytest.mark.parametrize(
    ("taken", "missing"), [(slice(0, 2), (1, 2)), (slice(2, 4), (3, 4)), (slice(3, 5), (4, 5))]
)
def test_the_finding_names_the_missing_anchors(
    anchored: Path, taken: slice, missing: tuple[int, int]
) -> None:
    kept = lines(anchored)
    del kept[taken]
    anchored.write_text("".join(kept))
    [finding] = verify().findings
    assert finding.code == "anchors_missing"
    assert (finding.values["number"], finding.values["last"]) == missing


def test_a_forged_anchor_vouches_for_no_entry(anchored: Path) -> None:
    put_back_a_year(anchored)
    verdict = verify()
    assert verdict.anchors == 0
    assert {finding.code for finding in verdict.findings} == {"anchor_forged", "anchors_gone"}


@pytest.mark.parametrize("last", [0, 1, 2, 4])
def test_a_trail_truncated_together_with_its_anchors_is_detected(anchored: Path, last: int) -> None:
    kept = [line for line in lines(anchored) if int(line.split()[1]) <= last]
    anchored.write_text("".join(kept))
    cut_back(last)
    assert codes()
    if last:
        anchor()
        assert codes()


@pytest.mark.parametrize("last", [0, 1, 2, 4])
def test_a_truncated_trail_without_anchors_and_state_is_detected(anchored: Path, last: int) -> None:
    """The state is put back to what it was at first, which needs no key."""
    anchored.unlink()
    cut_back(last)
    behind_its_back("UPDATE audit_anchorstate SET number = 0, signature = '', seal = '', at = NULL")
    if last >= 2:
        assert "state_altered" in codes()
        anchor()
        assert "state_altered" in codes()
        return
    # Nothing but the first entry is left; that is a finding as soon as it is old.
    age(40)
    assert codes() == ({"anchors_never_written"} if last else set())


def test_a_state_forged_from_an_earlier_line_is_detected(anchored: Path) -> None:
    earlier = Anchor.parse(lines(anchored)[2].strip())
    assert earlier is not None
    anchored.write_text("".join(lines(anchored)[:3]))
    cut_back(earlier.sequence)
    behind_its_back(
        f"UPDATE audit_anchorstate SET number = {earlier.number},"
        f" signature = '{earlier.signature}', seal = '{earlier.signature}'"
    )
    assert codes() == {"state_altered"}


def test_outdated_anchors_are_a_finding(anchored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = timezone.now() + anchors.LATE
    monkeypatch.setattr(timezone, "now", lambda: later)
    [finding] = verify().findings
    assert finding.code == "anchors_late"
    assert "one is due every 10 minutes" in str(finding)


def test_an_old_trail_that_was_never_anchored_is_a_finding() -> None:
    append(Event(Action.SIGNED_IN), "ann")
    age(29)
    assert codes() == set()
    age(2)
    assert codes() == {"anchors_never_written"}


def test_a_trail_that_grew_without_anchors_for_a_long_time_is_a_finding(anchored: Path) -> None:
    """As if lines had been removed, and the later ones rewritten without the key."""
    start = timezone.now()
    with pytest.MonkeyPatch.context() as patch:
        for slot in range(6):
            patch.setattr(timezone, "now", lambda slot=slot: start + slot * anchors.IDLE)
            append(Event(Action.STUDY_VIEWED), "ann")
        anchor()
        assert codes() == {"unanchored"}
        anchors.restart("the scheduler was stopped for an hour")
        verdict = verify()
    assert verdict.intact
    assert [remark.code for remark in verdict.remarks] == ["begun_anew"]


def test_a_machine_whose_clock_is_wrong_is_no_finding(anchored: Path) -> None:
    right = timezone.now()
    with pytest.MonkeyPatch.context() as patch:
        for number in range(12):
            moment = right + timedelta(days=number % 2)
            patch.setattr(timezone, "now", lambda moment=moment: moment)
            append(Event(Action.STUDY_VIEWED), "ann")
        patch.setattr(timezone, "now", lambda: right)
        anchor()
        assert verify().intact


def test_a_machine_switched_off_overnight_is_no_finding(anchored: Path) -> None:
    append(Event(Action.SIGNED_OUT), "ann")
    morning = timezone.now() + timedelta(hours=14)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timezone, "now", lambda: morning)
        append(Event(Action.SIGNED_IN), "ann")
        anchor()
        assert verify().intact


# ── Anchors without a signature, of earlier releases ────────────────────────────────────────────


def test_an_upgrade_keeps_the_unsigned_anchors(file: Path) -> None:
    for _ in range(4):
        append(Event(Action.STUDY_VIEWED), "ann")
    unsigned(file, 2, 4)
    age(600)
    unsigned(file, 2, 4)
    verdict = verify()
    assert (verdict.intact, verdict.anchors) == (True, 2)
    anchor()
    verdict = verify()
    assert (verdict.intact, verdict.anchors) == (True, 3)
    cut_back(3)
    assert "cut_off" in codes()


@pytest.mark.parametrize("end", ["", "4 0123"], ids=["whole", "torn"])
def test_the_first_signature_covers_the_unsigned_anchors(file: Path, end: str) -> None:
    for _ in range(4):
        append(Event(Action.STUDY_VIEWED), "ann")
    unsigned(file, 2, 4)
    file.write_text(file.read_text() + end)
    anchor()
    assert codes() == ({"anchors_damaged"} if end else set())
    file.write_text("".join(lines(file)[1:]))
    assert "anchors_before" in codes()


def test_contradictory_unsigned_anchors_are_detected(file: Path) -> None:
    append(Event(Action.SIGNED_IN), "someone")
    unsigned(file, 1)
    file.write_text(f"1 {'f' * 64} 2026-01-01T00:00:00+00:00\n" + file.read_text())
    [finding] = verify().findings
    assert (finding.code, finding.sequence) == ("other_than_anchored", 1)


# ── Restarting ──────────────────────────────────────────────────────────────────────────────────


def test_a_new_series_of_anchors_starts_after_a_restore(
    anchored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [state] = AnchorState.objects.filter(number=5).values("number", "signature", "seal")
    append(Event(Action.SIGNED_IN), "ann")
    anchor()
    # The backup is of before.
    cut_back(6)
    behind_its_back(
        f"UPDATE audit_anchorstate SET number = {state['number']},"
        f" signature = '{state['signature']}', seal = '{state['seal']}'"
    )
    assert codes() == {"cut_off"}
    append(Event(Action.SIGNED_IN), "ben")
    anchor()
    assert codes() == {"other_than_anchored"}
    with pytest.raises(CommandError, match="reason"):
        call_command("anchor_audit", begin_anew=" ")
    call_command("anchor_audit", begin_anew="backup of Monday restored")
    verdict = verify()
    assert verdict.intact
    assert "because: backup of Monday restored" in str(verdict.remarks[0])
    entry = AuditEntry.objects.filter(action=Action.ANCHORS_BEGUN).latest("sequence")
    assert entry.detail == {"first": 8, "reason": "backup of Monday restored"}
    anchored.write_text("".join(lines(anchored)[:-1]))
    assert "anchors_gone" in codes()


def test_a_forged_start_of_a_series_hides_nothing(anchored: Path) -> None:
    head = ChainHead.objects.get()
    behind_its_back(
        "INSERT INTO audit_auditentry (sequence, at, actor, action, object_type, object_id, detail,"
        f" previous_mac, mac) VALUES ({head.sequence + 1}, now(), 'x', 'audit.anchors_begun', '',"
        f" '', '{{\"first\": 99}}', '{head.mac}', 'x')"
    )
    anchored.unlink()
    assert codes() == {"after_the_head", "anchors_gone"}
