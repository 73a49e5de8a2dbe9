"""A backup that is signed with an earlier key of the trail says what that means."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.backups.conftest import Other
from webportal.audit import anchors
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.backups import taking

pytestmark = pytest.mark.django_db(transaction=True)
DOUBT = "which is not AUDIT_KEY: if others know it, they can have made or altered this backup"


def test_anyone_with_an_earlier_key_can_have_made_the_backup(
    repository_folder: Path, other: Other, settings: Settings
) -> None:
    append(Event(Action.STUDY_VIEWED, "study", "1"), "ann")
    anchors.anchor()
    taking.take()
    later = {
        "AUDIT_KEY": "b4f1d2c7be09a8365d41c0b7f9e2a6d58",
        "AUDIT_OLD_KEYS": settings.AUDIT_KEY,
    }
    restored = other.manage("restore", **later)
    assert DOUBT in restored.stdout, restored.stderr
    assert DOUBT in other.manage("backup", "--verify", **later).stdout
    same = other.manage("backup", "--verify")
    assert "signed with the key" in same.stdout, same.stderr
    assert DOUBT not in same.stdout
