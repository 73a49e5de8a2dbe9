"""How a new database is created, and that one which was upgraded has the same."""

import os
import subprocess
import sys

import psycopg
import pytest
from django.db import connection, models
from django.db.migrations import CreateModel
from django.db.migrations.state import ProjectState
from psycopg import sql

from tests import flushing, services
from tests.helpers import database_url
from webportal.backups.database import program
from webportal.database.creation import CreateModels

UPGRADE = """
import django
django.setup()
from tests.migrating import upgrade_step_by_step
upgrade_step_by_step()
"""


@pytest.mark.django_db
def test_an_upgraded_database_has_what_a_new_one_has() -> None:
    with psycopg.connect(services.postgres.url, autocommit=True) as server:
        server.execute("CREATE DATABASE upgraded")
    upgraded = database_url("upgraded")
    settings = {
        "DJANGO_SETTINGS_MODULE": "webportal.settings",
        "DATABASE_URL": upgraded,
        "DATABASE_OWNER_URL": upgraded,
    }
    subprocess.run([sys.executable, "-c", UPGRADE], check=True, env=os.environ | settings)
    new = database_url()
    assert schema(upgraded) == schema(new)
    assert first_rows(upgraded) == first_rows(new)
    # A test that runs after a flush must find what it would have found before.
    put_back = {row.split()[2] for row in flushing.ROWS}
    assert filled_tables(upgraded) - flushing.OF_MODELS == put_back, "ROWS of tests/flushing.py"


@pytest.mark.django_db(transaction=True)
def test_models_are_created_together_and_dropped_together() -> None:
    """The state had been rendered without them, as it is after earlier migrations."""
    key = ("id", models.BigAutoField(primary_key=True))
    whole = CreateModel("Whole", fields=[key])
    to_whole = models.ForeignKey("upkeep.Whole", models.CASCADE)
    together = CreateModels([whole, CreateModel("Part", fields=[key, ("whole", to_whole)])])
    before, after = ProjectState(), ProjectState()
    assert list(after.apps.get_models()) == []
    together.state_forwards("upkeep", after)
    with connection.schema_editor() as editor:
        together.database_forwards("upkeep", editor, before, after)
    tables = {"upkeep_whole", "upkeep_part"}
    assert tables <= set(connection.introspection.table_names())
    with connection.schema_editor() as editor:
        together.database_backwards("upkeep", editor, after, before)
    assert tables.isdisjoint(connection.introspection.table_names())


def schema(url: str) -> list[str]:
    """The lines of a dump, sorted: the order of a table's columns may differ."""
    command = [program("pg_dump"), "--schema-only", "--no-owner", "--no-privileges", url]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = (line.strip().rstrip(",") for line in dumped.splitlines())
    return sorted(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def first_rows(url: str) -> list[tuple[object, ...]]:
    """What the migrations put into the tables."""
    with psycopg.connect(url) as connected:
        return [
            *connected.execute("SELECT id, name FROM accounts_department"),
            *connected.execute("SELECT id FROM audit_chainhead"),
            *connected.execute("SELECT id FROM audit_anchorstate"),
        ]


def filled_tables(url: str) -> set[str]:
    """The tables that have rows, but for the list of migrations."""
    with psycopg.connect(url) as connected:
        names = connected.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            name
            for (name,) in names.fetchall()
            if name != "django_migrations"
            and connected.execute(
                sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(name))
            ).fetchall()
        }
