"""The key of the trail is lost: the system goes on, and what it signed is never called intact."""

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from tests.audit.anchoring import codes
from tests.audit.test_rotation import FIRST, SECOND, THIRD, give, rotated, undone, view
from tests.audit.test_verification import behind_its_back
from webportal import keys
from webportal.audit.anchors import anchor
from webportal.audit.keyring import Key
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append_all
from webportal.audit.verification import verify

pytestmark = pytest.mark.django_db
__all__ = ["rotated"]
WHY = "the disk with the secrets failed"


@pytest.mark.parametrize("is_of_earlier_release", [False, True])
def test_a_lost_key_is_replaced(is_of_earlier_release: bool, settings: Settings) -> None:
    give(settings, FIRST)
    view()
    anchor()
    last_of_lost = view().sequence
    if is_of_earlier_release:
        behind_its_back("UPDATE audit_chainhead SET key_id = ''")
    give(settings, SECOND)
    with pytest.raises(keys.RefusedKeyError, match="If the key is lost"):
        keys.check_at_start()
    call_command("rotate_audit_key", old_key_lost=WHY)
    keys.check_at_start()
    later = view(2).sequence
    changed = AuditEntry.objects.get(action=Action.AUDIT_KEY_CHANGED)
    assert changed.detail["lost"] == WHY
    # Nothing but what was under the lost key is in doubt.
    verdict = verify()
    assert [(found.code, found.values["last"]) for found in verdict.findings] == [
        ("key_missing", last_of_lost)
    ]
    assert any(WHY in str(remark) for remark in verdict.remarks)
    behind_its_back(f"UPDATE audit_auditentry SET actor = 'eve' WHERE sequence = {later}")
    assert codes() == {"key_missing", "altered"}


@pytest.mark.parametrize("is_of_earlier_release", [False, True])
def test_a_lost_key_that_is_found_again_verifies_its_part(
    is_of_earlier_release: bool, settings: Settings
) -> None:
    give(settings, FIRST)
    view()
    anchor()
    if is_of_earlier_release:
        behind_its_back("UPDATE audit_chainhead SET key_id = ''")
    give(settings, SECOND)
    call_command("rotate_audit_key", old_key_lost=WHY)
    give(settings, SECOND, FIRST)
    assert codes() == set()
    behind_its_back("UPDATE audit_auditentry SET actor = 'eve' WHERE sequence = 1")
    assert "altered" in codes()


def test_what_is_not_lost_is_not_replaced(settings: Settings) -> None:
    give(settings, FIRST)
    view()
    for key, old in ((FIRST, ()), (SECOND, (FIRST,))):
        give(settings, key, *old)
        with pytest.raises(CommandError, match="is not lost"):
            call_command("rotate_audit_key", old_key_lost=WHY)
    give(settings, "weak")
    with pytest.raises(CommandError, match="4 characters"):
        call_command("rotate_audit_key", old_key_lost=WHY)
    give(settings, SECOND)
    with pytest.raises(CommandError, match="reason"):
        call_command("rotate_audit_key", old_key_lost=" ")


def test_the_present_key_cannot_be_declared_lost_with_an_old_one(rotated: None) -> None:
    detail = {"key": Key.of(FIRST).id, "previous_key": Key.of(THIRD).id, "lost": WHY}
    with undone():
        append_all([Event(Action.AUDIT_KEY_CHANGED, detail=detail)], under=Key.of(FIRST))
        view()
        assert "key_not_begun" in codes()
