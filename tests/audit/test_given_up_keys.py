"""What somebody can do with a key of the trail that was given up, the database and the anchors."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.audit.anchoring import codes, cut_back, lines
from tests.audit.test_rotation import FIRST, SECOND, THIRD, give, rotated, undone, view
from tests.audit.test_verification import behind_its_back
from webportal.audit import rotation
from webportal.audit.anchors import Anchor, anchor
from webportal.audit.keyring import Key
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AnchorState, AuditEntry, ChainHead
from webportal.audit.trail import Event, append_all

pytestmark = pytest.mark.django_db
__all__ = ["rotated"]


def parsed(line: str) -> Anchor:
    found = Anchor.parse(line.strip())
    assert found is not None
    return found


def test_an_old_key_and_the_database_do_not_suffice_to_forge_an_entry(
    rotated: None, settings: Settings
) -> None:
    """An entry, a change back, and the end of the trail, all made with the key given up."""
    leaked = Key.of(FIRST)
    forged = AuditEntry.objects.get(sequence=9)
    forged.actor = "eve"
    mac = compute_mac(forged, leaked)
    with undone():
        behind_its_back(
            f"UPDATE audit_auditentry SET actor = 'eve', mac = '{mac}' WHERE sequence = 9"
        )
        assert "altered" in codes()
    with undone():
        behind_its_back(f"UPDATE audit_chainhead SET key_id = '{leaked.id}'")
        assert "head_names_other_key" in codes()
        view()
        assert "altered" in codes()
    with undone():
        detail = {"key": leaked.id, "previous_key": Key.of(THIRD).id, "proof": "0"}
        append_all([Event(Action.AUDIT_KEY_CHANGED, detail=detail)], under=leaked)
        assert "key_change_forged" in codes()
    with undone():
        # With every place of the anchors, too, so that nothing but AUDIT_KEY tells.
        cut_back(2)
        behind_its_back(f"UPDATE audit_chainhead SET key_id = '{leaked.id}'")
        file = settings.AUDIT_ANCHOR_FILE
        content = file.read_text()
        file.write_text("".join(lines(file)[:1]))
        behind_its_back("UPDATE audit_anchorstate SET number = 1")
        assert "key_not_begun" in codes()
        file.write_text(content)


@pytest.mark.parametrize("secret", [FIRST, SECOND, f"{FIRST}\n", f"{SECOND}\n"])
def test_an_anchor_signed_with_a_key_given_up_is_forged(
    secret: str, rotated: None, settings: Settings
) -> None:
    """With the line feed, too, which the key has where it came from a file."""
    file = settings.AUDIT_ANCHOR_FILE
    *others, last = lines(file)
    file.write_text("".join([*others, f"{parsed(last).signed(Key.of(secret)).line}\n"]))
    assert "anchor_forged" in codes()


def test_a_key_given_up_writes_no_anchors_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anchors of its own last entry, with which it would cover up that the end was cut off."""
    start = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: start - timedelta(hours=3))
    give(settings, FIRST)
    view()
    anchor()
    last_of_old = ChainHead.objects.get().sequence
    give(settings, SECOND, FIRST)
    rotation.rotate()
    state = AnchorState.objects.values("number", "signature", "seal").get()
    then = settings.AUDIT_ANCHOR_FILE.read_text()
    monkeypatch.setattr(timezone, "now", lambda: start)
    view(2)
    anchor()
    assert codes() == set()

    cut_back(last_of_old + 1)
    values = ", ".join(f"{name} = '{value}'" for name, value in state.items())
    behind_its_back(f"UPDATE audit_anchorstate SET {values}")
    file = settings.AUDIT_ANCHOR_FILE
    file.write_text(then)
    assert codes() == {"anchors_late"}
    last = parsed(lines(file)[-1])
    for late, found in [
        (start.isoformat(), {"anchor_forged", "anchors_late"}),
        ("whenever", {"anchor_forged", "anchors_late"}),
        (start.replace(tzinfo=None).isoformat(), {"anchor_forged", "anchors_late"}),
    ]:
        forged = replace(last, number=last.number + 1, at=late, previous=last.signature).signed(
            Key.of(FIRST)
        )
        file.write_text(f"{then}{forged.line}\n")
        assert codes() == found
