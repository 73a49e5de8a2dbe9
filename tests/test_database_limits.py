"""No page waits for a statement that never ends; workers and commands may take their time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.services import Postgres

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


def test_the_portal_cancels_statements_after_30_seconds() -> None:
    assert ask("webportal.wsgi", "SHOW statement_timeout").stdout == "30s\n"


def test_workers_and_commands_do_not() -> None:
    assert ask("django", "SHOW statement_timeout").stdout == "0\n"


def test_a_statement_that_takes_too_long_is_cancelled() -> None:
    asked = ask("webportal.wsgi", "SELECT pg_sleep(120)::text", DATABASE_STATEMENT_SECONDS="1")
    assert "canceling statement due to statement timeout" in asked.stderr


# Says what it sees of a database that is stopped, and continued, whenever it is sent a line.
WATCH = """
import os
os.environ["DATABASE_STATEMENT_SECONDS"] = "1"
import webportal.wsgi
from time import monotonic, sleep
from django.db import OperationalError, connection
from django.test import Client
client = Client(SERVER_NAME="localhost", raise_request_exception=False)
client.cookies["sessionid"] = "of-someone-signed-in"

def say(what):
    start = monotonic()
    try:
        answer = what()
    except OperationalError as error:
        answer = error
    print(f"{monotonic() - start:.1f}|{answer}", flush=True)

def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'answered'")
        return cursor.fetchone()[0]

say(ask)
input()
say(ask)
connection.close()
say(ask)
say(ask)
say(lambda: client.get("/worklist").status_code)
input()
sleep(5)
say(ask)
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres(tmp_path / "database", durable=False) as database:
        yield database


def test_a_hanging_database_delays_nobody_and_its_return_is_noticed(database: Postgres) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "webportal.settings",
        "DATABASE_URL": database.url,
    }
    with subprocess.Popen(
        [sys.executable, "-c", WATCH],
        env=environment,
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as watcher:
        assert watcher.stdin
        assert watcher.stdout
        seen = watcher.stdout

        def next_line() -> tuple[str, str]:
            seconds, _, said = seen.readline().strip().partition("|")
            return seconds, said

        assert next_line()[1] == "answered"
        stopped = [psutil.Process(database.pid)]
        stopped += stopped[0].children()
        for process in stopped:
            process.suspend()
        try:
            watcher.stdin.write("\n")
            watcher.stdin.flush()
            seconds, said = next_line()
            assert "has not answered for 6 seconds" in said
            assert float(seconds) < 10
            assert "timeout" in next_line()[1]
            # The next ones do not wait in turn.
            seconds, said = next_line()
            assert "a moment ago" in said
            assert float(seconds) < 1
            assert next_line()[1] == "503"
        finally:
            for process in stopped:
                process.resume()
        watcher.stdin.write("\n")
        watcher.stdin.flush()
        assert next_line()[1] == "answered"


# A database that nobody can reach, asked for by somebody who is signed in.
AWAY = """
import django
django.setup()
from django.test import Client
client = Client(SERVER_NAME="localhost", raise_request_exception=False)
client.cookies["sessionid"] = "of-someone-signed-in"
answer = client.{method}("{address}")
print(answer.status_code, answer.headers["Retry-After"], answer.content.decode())
"""


@pytest.mark.parametrize(
    ("method", "address", "says"),
    [
        ("get", "/worklist", "reloads automatically"),
        ("post", "/worklist/next", "may not have been stored"),
        ("get", "/api/v1/studies", "urn:chestline:problem:service-unavailable"),
    ],
)
def test_pages_say_that_the_database_is_unavailable(method: str, address: str, says: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", AWAY.format(method=method, address=address)],
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "webportal.settings",
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        },
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert answer.startswith("503 5 ")
    assert says in answer
