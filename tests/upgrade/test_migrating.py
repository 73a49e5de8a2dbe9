"""Migrations run while everybody works."""

import re
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.postgres import operations
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader

from tests.helpers import database_url
from tests.upgrade import previous
from webportal.database.indexes import AddIndexConcurrently
from webportal.operations.management.commands import migrate

# What locks a table for longer than a moment, or breaks programs of the previous release.
_REWRITES = "rewrites the table"
_READS = (
    "reads the whole table under a lock: use AddConstraintNotValid, then ValidateConstraint in a"
    " migration of its own"
)
_HAS_ROWS = "the table may have rows"
_LEFT_OUT = "the previous release leaves the column out: use db_default"
_NEEDED = "the previous release needs it: drop it one release later"
_BLOCKS = (
    "nobody can write meanwhile: use webportal.database.indexes.AddIndexConcurrently; for a unique"
    " constraint see docs/migrations.md"
)
_LOCKS_ROWS = "locks every row until the end: let `manage.py prepare` do it in steps"
FORBIDDEN = {
    r'ALTER TABLE "(\w+)".* TYPE ': _REWRITES,
    r'ALTER TABLE "(\w+)" ALTER COLUMN .* SET NOT NULL': _READS,
    r'ALTER TABLE "(\w+)" ADD CONSTRAINT (?!.*NOT VALID)': _READS,
    r'ALTER TABLE "(\w+)" ADD COLUMN (?!.*DEFAULT).* NOT NULL': _HAS_ROWS,
    r'ALTER TABLE "(\w+)" ALTER COLUMN .* DROP DEFAULT': _LEFT_OUT,
    r'ALTER TABLE "(\w+)" DROP COLUMN': _NEEDED,
    r'ALTER TABLE "(\w+)" RENAME': _NEEDED,
    r'DROP TABLE "(\w+)"': _NEEDED,
    r'CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).* ON "(\w+)"': _BLOCKS,
    r'^UPDATE "?(\w+)': _LOCKS_ROWS,
}

#: Migrations since the previous release that need to break a rule, and why they may.
ALLOWED = {
    (
        "notifications",
        "0013_role_requests",
    ): "its indexes are of a column that is new, and of few rows",
}


def faults(statements: list[str]) -> list[str]:
    """What is wrong with the statements of a migration; tables that it creates are its own."""
    created = set(re.findall(r'CREATE TABLE "(\w+)"', "\n".join(statements)))
    found = []
    for statement in statements:
        for pattern, why in FORBIDDEN.items():
            match = re.search(pattern, statement)
            if match is not None and match[1] not in created:
                found.append(f"{why}: {statement}")
    return found


@pytest.mark.django_db(transaction=True)  # AddIndexConcurrently refuses to be in one
def test_no_new_migration_locks_a_table_or_breaks_the_previous_release() -> None:
    loader = MigrationLoader(connection, replace_migrations=False)
    old = {node for each in previous.MIGRATIONS for node in loader.graph.forwards_plan(each)}
    wrong = {}
    for node in loader.graph.nodes:
        migration = loader.graph.nodes[node]
        is_ours = migration.__module__.startswith("webportal.")
        if not is_ours or node in old or migration.replaces or node in ALLOWED:
            continue
        found = faults(loader.collect_sql([(migration, False)]))
        if any(isinstance(each, RunPython) for each in migration.operations):
            found.append("RunPython cannot be judged: let `manage.py prepare` do it in steps")
        if found:
            wrong[node] = found
    assert wrong == {}


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "inference_job" ALTER COLUMN "worker" TYPE text USING "worker"::text;',
        'ALTER TABLE "inference_job" ALTER COLUMN "started_at" SET NOT NULL;',
        'ALTER TABLE "inference_job" ADD COLUMN "x" varchar(5) NOT NULL;',
        'ALTER TABLE "inference_job" ALTER COLUMN "x" DROP DEFAULT;',
        'ALTER TABLE "inference_job" DROP COLUMN "worker" CASCADE;',
        'ALTER TABLE "inference_job" RENAME COLUMN "worker" TO "device";',
        'DROP TABLE "inference_job" CASCADE;',
        'ALTER TABLE "inference_job" ADD CONSTRAINT "x" CHECK ("attempt" > 0);',
        'CREATE INDEX "x" ON "inference_job" ("worker");',
        "UPDATE inference_job SET worker = ''",
    ],
)
def test_the_rules_find(statement: str) -> None:
    assert len(faults([statement])) == 1
    assert faults(['CREATE TABLE "inference_job" ("id" uuid NOT NULL);', statement]) == []


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "inference_job" ADD COLUMN "x" varchar(5) DEFAULT \'\' NOT NULL;',
        'ALTER TABLE "inference_job" ADD COLUMN "x" integer NULL;',
        'CREATE INDEX CONCURRENTLY "x" ON "inference_job" ("worker");',
        'ALTER TABLE "inference_job" ADD CONSTRAINT "x" CHECK ("attempt" > 0) NOT VALID;',
    ],
)
def test_the_rules_let_pass(statement: str) -> None:
    assert faults([statement]) == []


@pytest.fixture
def another_session(transactional_db: None) -> Iterator[psycopg.Connection]:
    """Somebody else who works on the database."""
    with psycopg.connect(database_url(), autocommit=True) as session:
        yield session


def test_nobody_waits_long_behind_a_migration_that_waits(
    another_session: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long transaction reads jobs; the migration waits for it, and others must not."""
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 1)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 1)
    call_command("migrate", "inference", "0012", verbosity=0)
    longest = 0.0
    ended = threading.Event()

    def work() -> None:
        nonlocal longest
        url = f"{another_session.info.dsn} password={another_session.info.password}"
        with psycopg.connect(url, autocommit=True) as worker:
            while not ended.is_set():
                began = time.monotonic()
                worker.execute("SELECT count(*) FROM inference_job")
                longest = max(longest, time.monotonic() - began)
                time.sleep(0.02)

    working = threading.Thread(target=work)
    another_session.execute("BEGIN")
    another_session.execute("SELECT count(*) FROM inference_job")
    try:
        working.start()
        threading.Timer(6, lambda: another_session.execute("COMMIT")).start()
        began = time.monotonic()
        call_command("migrate", verbosity=0)
        assert time.monotonic() - began > 5
    finally:
        ended.set()
        working.join()
        call_command("migrate", verbosity=0)
    assert longest < 4
    with connection.cursor() as cursor:
        cursor.execute("SELECT traceparent FROM inference_job")
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_an_index_waits_for_a_backup_and_replaces_one_that_was_interrupted(
    another_session: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 1)
    call_command("migrate", "delivery", "0008", verbosity=0)
    another_session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    another_session.execute("SELECT count(*) FROM inference_job")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '500ms'")
        with pytest.raises(OperationalError, match="lock timeout"):
            # What is left of it is invalid, and has the name.
            cursor.execute(
                "CREATE INDEX CONCURRENTLY delivery_to_confirm ON delivery_delivery (state)"
            )
        cursor.execute("RESET lock_timeout")
    committing = threading.Timer(4, lambda: another_session.execute("COMMIT"))
    committing.start()
    try:
        call_command("migrate", verbosity=0)
    finally:
        committing.join()
        call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indexrelid = 'delivery_to_confirm'::regclass"
        )
        is_valid, definition = cursor.fetchone()
        assert is_valid
        assert "next_attempt_at" in definition
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_only_indexes_that_can_be_built_again_are_built_concurrently() -> None:
    loader = MigrationLoader(None)
    built = [
        operation
        for migration in loader.disk_migrations.values()
        for operation in migration.operations
        if isinstance(operation, operations.AddIndexConcurrently)
        and migration.__module__.startswith("webportal.")
    ]
    assert built
    assert {type(operation) for operation in built} == {AddIndexConcurrently}


def test_a_migration_gives_up_in_the_end(
    another_session: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOCK_SECONDS": 1, "PAUSE_SECONDS": 0, "ATTEMPTS": 2}.items():
        monkeypatch.setattr(migrate, name, value)
    another_session.execute("BEGIN")
    another_session.execute("SELECT count(*) FROM inference_job")
    with pytest.raises(CommandError, match="Run this again"):
        call_command("migrate", "inference", "0012", verbosity=0)
    another_session.execute("COMMIT")
    call_command("migrate", verbosity=0)
