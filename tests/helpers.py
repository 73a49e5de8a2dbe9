"""What tests of several packages ask or do."""

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.forms import BaseForm
from django.test import Client

from webportal.accounts.models import PasswordAttempt
from webportal.audit.models import AuditEntry

# Enough for a machine that is busy with other things; when all is well nothing waits this long.
PATIENCE_SECONDS = 90


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as the condition holds, asking again and again; fails when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def database_url(name: str = "") -> str:
    """The URL of the tests' database, or of another one on its server, for other processes."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return url._replace(path=f"/{name or connection.settings_dict['NAME']}").geturl()


def free_port() -> int:
    """A port of this machine at which nothing listens yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def listens(port: int) -> bool:
    """Whether something listens at a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def audit_actions(**filters: Any) -> list[str]:
    """The actions in the audit trail, oldest first."""
    entries = AuditEntry.objects.filter(**filters).order_by("sequence")
    return list(entries.values_list("action", flat=True))


def fields_left_out(response: Any) -> set[str]:
    """The fields of the forms of a page that have no input there: saving it would empty them."""
    values = [value for layer in response.context for value in layer.flatten().values()]
    forms = [value for value in values if isinstance(value, BaseForm)]
    assert forms, "no form"
    names = {field.html_name for form in forms for field in form}
    return {name for name in names if f' name="{name}"' not in response.text}


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


def is_signed_in(client: Client) -> bool:
    """Whether the browser has a session."""
    return client.get("/account/sessions").status_code == 200
