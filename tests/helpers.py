"""What tests of several packages ask or do."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from webportal.accounts.models import PasswordAttempt
from webportal.audit.models import AuditEntry


def audit_actions(**filters: Any) -> list[str]:
    """The actions in the audit trail, oldest first."""
    entries = AuditEntry.objects.filter(**filters).order_by("sequence")
    return list(entries.values_list("action", flat=True))


def let_time_pass(seconds: int = 31) -> None:
    """Let every signature be so much older, which only the database itself can do."""
    trigger = "TRIGGER review_signed_read_stays"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE review_read DISABLE {trigger}")
        cursor.execute(
            "UPDATE review_read SET signed_at = signed_at - %s * interval '1 second'"
            " WHERE signed_at IS NOT NULL",
            [seconds],
        )
        cursor.execute(f"ALTER TABLE review_read ENABLE {trigger}")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def make_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the operating system call every folder read-only, as on a disk that has failed."""
    access = os.access

    def without_writing(path: os.PathLike[str], mode: int) -> bool:
        return not mode & os.W_OK and access(path, mode)

    monkeypatch.setattr(os, "access", without_writing)


def let_attempts_pass(seconds: float) -> None:
    """Let every wrong password be so much older."""
    PasswordAttempt.objects.update(at=F("at") - timedelta(seconds=seconds))
