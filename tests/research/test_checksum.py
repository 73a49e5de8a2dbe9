"""The file of an export is compared with what was made before it is handed out."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from tests.helpers import audit_actions
from tests.research.test_exports import made, study_with
from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry

pytestmark = pytest.mark.django_db


def test_another_file_in_its_place_is_not_handed_out(
    researcher: User, sign_in: Callable[[User], Client]
) -> None:
    study_with()
    export = made(researcher)
    file = Path(default_storage.path(export.key))
    there = file.read_bytes()
    file.write_bytes(there[:-1] + bytes([there[-1] ^ 1]))
    answer = sign_in(researcher).get(f"/research/{export.pk}.zip", follow=True)
    assert "not the one that was made" in answer.text
    assert Action.RESEARCH_DOWNLOADED not in audit_actions()
    file.write_bytes(there)
    assert sign_in(researcher).get(f"/research/{export.pk}.zip").status_code == 200
    entry = AuditEntry.objects.get(action=Action.RESEARCH_DOWNLOADED)
    assert entry.detail == {"sha256": hashlib.sha256(there).hexdigest()}
