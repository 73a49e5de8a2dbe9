"""Inserting rows with few statements, also where several transactions may make the same row."""

import json
import uuid
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import F, Field, Model
from django.utils import timezone

Row = TypeVar("Row", bound=Model)
# No field changes values of these types, and asking each would take longer than the statement.
_AS_THEY_ARE = {str, uuid.UUID, type(None)}


def insert(
    rows: Sequence[Row],
    *,
    ignore_conflicts: bool = False,
    filled_in: tuple[str, ...] = (),
    then: str = "",
    parameters: Sequence[Any] = (),
) -> int:
    """Insert rows of one model with one statement; returns how many.

    `filled_in` names the fields that the database fills in; the rows do not learn their values.
    `then` is a statement that is sent with it, for whoever cannot wait for another answer.

    With `ignore_conflicts`, a row that conflicts with an existing one is left out, after waiting
    for a transaction that is making the same row. The values are those that the rows have:
    expressions and binary columns are not supported. Takes a fraction of the time of `bulk_create`,
    which does not tell how many rows are new: the values are sent as one, so that neither Django
    nor psycopg deals with each, and the statement is the same for any number of rows.
    """
    if not rows:
        return 0
    statement, fields = _insert_into(type(rows[0]), filled_in)
    conflict = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    query = f"{statement}{conflict}; {then}" if then else f"{statement}{conflict}"
    with connection.cursor() as cursor:
        cursor.execute(query, [_as_json(rows, fields), *parameters])
        inserted: int = cursor.rowcount
    _mark_as_stored(rows)
    return inserted


def insert_in_order(*groups: Sequence[Model]) -> None:
    """Insert the rows of several models, each of which may refer to those before, as `insert` does.

    Sent together and run one after the other, in the caller's transaction.
    """
    with_rows = [(rows, *_insert_into(type(rows[0]), ())) for rows in groups if rows]
    if not with_rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "; ".join(statement for _, statement, _ in with_rows),
            [_as_json(rows, fields) for rows, _, fields in with_rows],
        )
    for rows, _, _ in with_rows:
        _mark_as_stored(rows)


def _as_json(rows: Sequence[Model], fields: tuple["Field[Any, Any]", ...]) -> str:
    values = [{field.column: _value(field, row) for field in fields} for row in rows]
    return json.dumps(values, default=_as_text)


def _mark_as_stored(rows: Sequence[Model]) -> None:
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias


@cache
def _insert_into(
    model: type[Model], filled_in: tuple[str, ...]
) -> tuple[str, tuple["Field[Any, Any]", ...]]:
    quoted = connection.ops.quote_name
    fields = tuple(field for field in model._meta.concrete_fields if field.name not in filled_in)
    table = quoted(model._meta.db_table)
    columns = ", ".join(quoted(str(field.column)) for field in fields)
    values = f"SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s)"  # noqa: S608
    return f"INSERT INTO {table} ({columns}) {values}", fields


def _value(field: "Field[Any, Any]", row: Model) -> Any:
    value = field.pre_save(row, True)
    return value if type(value) in _AS_THEY_ARE else field.get_prep_value(value)


def _as_text(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be inserted")


def insert_or_get(new: Row, **key: Any) -> tuple[Row, bool]:
    """Insert a row, or find the one that has its unique `key`; returns it and whether it is new.

    One statement for a row that is new, where `get_or_create` needs four. Like that, it waits for a
    transaction that is making the same row.
    """
    if insert([new], ignore_conflicts=True):
        return new, True
    return type(new)._default_manager.get(**key), False


def count_occurrence(model: type[Model], kept: int, **key: Any) -> None:
    """Count one more occurrence in `times` of the row with the unique `key`, and stamp its `at`.

    Of a model that strangers make rows of: only the `kept` latest stay.
    """
    rows = model._default_manager
    now = timezone.now()
    _, created = rows.update_or_create(
        **key, defaults={"times": F("times") + 1, "at": now}, create_defaults={"at": now}
    )
    if created:
        latest = rows.order_by("-at").values("pk")[:kept]
        rows.exclude(pk__in=latest).delete()
