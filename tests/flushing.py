"""How tests with real transactions leave an empty database."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import OperationalError, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from psycopg.errors import DeadlockDetected

from webportal.accounts.models import GENERAL

#: What Django derives from the models and nothing changes.
OF_MODELS = frozenset({"django_content_type", "auth_permission"})
#: What the migrations have put into the tables.
ROWS = (
    "INSERT INTO audit_chainhead VALUES (1, 0, repeat('0', 64))",
    "INSERT INTO accounts_department (id, name, created_at)"
    f" VALUES ('{GENERAL}', 'General', now())",
    "INSERT INTO audit_anchorstate VALUES (1, 0, '', '', NULL, '')",
)


@contextmanager
def cheap_flushes() -> Iterator[None]:
    """Let Django's flush delete what there is, past the triggers.

    Triggers refuse to empty trail and access log. And to truncate each of a hundred tables, with
    files for each of their indexes, takes longer than most tests do.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", _names_of_tables)
        patch.setattr(DatabaseOperations, "execute_sql_flush", _empty_patiently)
        # It would only derive OF_MODELS again.
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_: None)
        yield


def _names_of_tables(
    _operations: DatabaseOperations, _style: object, tables: Sequence[str], **_: Any
) -> list[str]:
    """In the place of SQL."""
    return sorted(set(tables) - OF_MODELS)


def _empty_patiently(operations: DatabaseOperations, tables: list[str]) -> None:
    # A page that was left may still be sending its draft, which locks the tables in its order.
    for _attempt in range(4):
        try:
            _empty(operations, tables)
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
    _empty(operations, tables)


def _empty(operations: DatabaseOperations, tables: list[str]) -> None:
    names = [operations.quote_name(table) for table in tables]
    filled = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names
    )
    with (
        transaction.atomic(using=operations.connection.alias),
        operations.connection.cursor() as cursor,
    ):
        # What others have begun is there after this, and is deleted as well.
        cursor.execute(f"LOCK TABLE {', '.join(names)}")
        cursor.execute(filled)
        deletions = [f"DELETE FROM {name}" for (name,) in cursor.fetchall()]
        cursor.execute(
            "; ".join(["SET LOCAL session_replication_role = replica", *deletions, *ROWS])
        )
