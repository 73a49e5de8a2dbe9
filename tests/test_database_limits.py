"""No page waits for a statement that does not end; workers and commands may take their time."""

import os
import subprocess
import sys
from pathlib import Path

ASK = """
import {module}
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("{statement}")
    print(cursor.fetchone()[0])
"""


def ask(module: str, statement: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", ASK.format(module=module, statement=statement)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "webportal.settings", **environment},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_portal_gives_a_statement_up_after_half_a_minute() -> None:
    assert ask("webportal.wsgi", "SHOW statement_timeout").stdout == "30s\n"


def test_workers_and_commands_do_not() -> None:
    assert ask("django", "SHOW statement_timeout").stdout == "0\n"


def test_a_statement_that_takes_too_long_is_refused() -> None:
    asked = ask("webportal.wsgi", "SELECT pg_sleep(120)::text", DATABASE_STATEMENT_SECONDS="1")
    assert "canceling statement due to statement timeout" in asked.stderr
