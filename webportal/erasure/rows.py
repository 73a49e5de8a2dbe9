"""Finds rows with all their dependants by foreign keys, across all apps, and deletes them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import connection
from django.db.models import ForeignKey, Model

from webportal.audit.reconciliation import Check, checks
from webportal.records.models import IdentityCorrection

Rows = dict[type[Model], set[Any]]
_AT_ONCE = 1000


def with_dependants(roots: Mapping[type[Model], Iterable[Any]]) -> Rows:
    """Primary keys of the rows and of all rows that refer to them, directly or not, by model."""
    found: Rows = defaultdict(set)
    waiting = [(model, set(keys)) for model, keys in roots.items()]
    while waiting:
        while waiting:
            model, keys = waiting.pop()
            new = keys - found[model]
            found[model] |= new
            if new:
                waiting += _dependants(model, new)
        more = _fully_erased_corrections(found) - found[IdentityCorrection]
        waiting = [(IdentityCorrection, more)] if more else []
    return {model: keys for model, keys in found.items() if keys}


def _dependants(model: type[Model], keys: set[Any]) -> Iterator[tuple[type[Model], set[Any]]]:
    for field in references_to(model):
        rows = field.model._base_manager.filter(**{f"{field.name}__in": keys})
        yield field.model, set(rows.values_list("pk", flat=True))


def references_to(model: type[Model]) -> Iterator["ForeignKey[Any, Any]"]:
    """The foreign keys that point to a model, including those of many-to-many tables."""
    for relation in model._meta.get_fields(include_hidden=True):
        field = getattr(relation, "field", None)
        if relation.auto_created and not relation.concrete and isinstance(field, ForeignKey):
            yield field


def _fully_erased_corrections(found: Rows) -> set[Any]:
    """Identity corrections whose studies are all being erased."""
    links = IdentityCorrection.studies.through
    going = found.get(links, set())
    of_these = links._base_manager.filter(pk__in=going).values_list("identitycorrection", flat=True)
    left = links._base_manager.exclude(pk__in=going).filter(identitycorrection__in=of_these)
    return set(of_these) - set(left.values_list("identitycorrection", flat=True))


def known_to_the_trail(rows: Rows) -> dict[str, set[str]]:
    """The ids by which the audit trail refers to erased rows that it must cover, by object type."""
    named: dict[str, set[str]] = defaultdict(set)
    for check in checks():
        if not isinstance(check, Check) or not check.is_kept:
            continue
        going = rows.get(check.rows().model)
        if going:
            keys = (
                check.rows().filter(pk__in=going).order_by("pk").values_list(check.key, flat=True)
            )
            named[check.kind] |= {str(key) for key in keys}
    return named


def delete(rows: Rows) -> None:
    """Delete rows in any order: the database checks foreign keys at the end of the transaction.

    Django's `delete` refuses because the foreign keys are protected.
    """
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        # Appending to the audit trail has set the constraints to immediate for this transaction.
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for model, keys in rows.items():
            table, column = quote(model._meta.db_table), quote(str(model._meta.pk.column))
            ordered = sorted(keys, key=str)
            for start in range(0, len(ordered), _AT_ONCE):
                cursor.execute(
                    # Names of the models' own tables.
                    f"DELETE FROM {table} WHERE {column} = ANY(%s)",  # noqa: S608
                    [ordered[start : start + _AT_ONCE]],
                )
