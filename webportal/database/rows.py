"""Rows that several transactions may make at the same time."""

from typing import Any, TypeVar

from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def insert_or_get(new: Row, **key: Any) -> tuple[Row, bool]:
    """Insert a row, or find the one that has its unique `key`; returns it and whether it is new.

    Two statements, where `get_or_create` needs four for a row that is new. Like that, it waits for
    a transaction that is making the same row.
    """
    rows = type(new)._default_manager
    rows.bulk_create([new], ignore_conflicts=True)
    found = rows.get(**key)
    return found, found.pk == new.pk
