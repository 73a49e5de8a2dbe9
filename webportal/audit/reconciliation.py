"""Comparing the records with the trail, in both directions.

The apps above provide a `Check` for each kind of record (AUDIT_CHECKS in the settings). Rows are
read in batches of their keys, entries in batches of their sequence, each batch in one snapshot, so
that concurrent changes are never findings.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet
from django.utils.module_loading import import_string

from webportal.audit.erasure import is_blank, removed_by
from webportal.audit.findings import MOST, Finding
from webportal.audit.models import Action, AuditEntry

BATCH = 1000
# Errors raised by values that the portal never writes; they must not abort a verification.
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)

# The portal's and the database's clocks may differ; no backdated entry is off by less.
MOST_APART = timedelta(minutes=10)

Entries = Sequence[AuditEntry]
Differences = Callable[[Any, Entries], Iterable[str]]


class Comparison(Protocol):
    """One of AUDIT_CHECKS; most are a `Check`."""

    def rows(self) -> QuerySet[Any]:
        """The number of rows to compare, for the progress."""

    def run(self) -> Iterator[tuple[int, list[Finding]]]:
        """Compare everything; yields the size of each batch and the findings in it."""


@dataclass(frozen=True)
class Check:
    """How the rows of one kind are compared with the trail.

    Args:
        kind: the object type of their entries.
        rows: all rows that the trail covers. Related rows are loaded by prefetch_related, because a
            join would leave out rows without them.
        made: the actions of which each row must have one, and whose entries must have a row.
        differences: the names of the values in which a row differs from its entries, given in
            order: those about the row itself, and those of `of_study` about its study.
        further: other actions about a row.
        of_study: actions on other objects that concern a study.
        key: the field by which entries refer to a row.
        named: the detail in which they do so; the entry's object if it is not recorded there.
        is_kept: whether each entry of `made` still has its row.
        removed: which of the keys without a row were removed according to the trail.
    """

    kind: str
    rows: Callable[[], QuerySet[Any]]
    made: tuple[Action, ...]
    differences: Differences
    further: tuple[Action, ...] = ()
    of_study: tuple[Action, ...] = ()
    key: str = "pk"
    named: str = ""
    is_kept: bool = True
    removed: Callable[[Collection[str]], set[str]] = field(default=lambda keys: set())

    def run(self) -> Iterator[tuple[int, list[Finding]]]:
        """Compare everything; yields the size of each batch and the findings in it."""
        yield from self._rows_with_entries()
        if self.is_kept:
            yield from self._entries_with_rows()

    def _rows_with_entries(self) -> Iterator[tuple[int, list[Finding]]]:
        rows = self.rows().order_by("pk")
        last: Any = None
        while True:
            with snapshot():
                batch = list((rows if last is None else rows.filter(pk__gt=last))[:BATCH])
                if not batch:
                    return
                last = batch[-1].pk
                found = list(self._compare(batch))
            yield len(batch), found

    def _compare(self, batch: list[Model]) -> Iterator[Finding]:
        keys = [str(getattr(row, self.key)) for row in batch]
        entries_by_key = self._entries_about(keys)
        for key, row in zip(keys, batch, strict=True):
            entries = entries_by_key[key]
            if not any(entry.action in self.made for entry in entries):
                yield Finding("row_without_entry", object_type=self.kind, object_id=key)
                continue
            try:
                names = list(self.differences(row, entries))
            except ObjectDoesNotExist:
                yield Finding("row_orphaned", object_type=self.kind, object_id=key)
                continue
            except UNREADABLE:
                names = ["unreadable"]
            if names:
                values = {"fields": ", ".join(names)}
                yield Finding("row_differs", object_type=self.kind, object_id=key, values=values)

    def _entries_about(self, keys: list[str]) -> dict[str, list[AuditEntry]]:
        named = f"detail__{self.named}" if self.named else "object_id"
        about = Q(**{f"{named}__in": keys}, action__in=(*self.made, *self.further))
        if self.of_study:
            about |= Q(study_id__in=keys, action__in=self.of_study)
        found: dict[str, list[AuditEntry]] = defaultdict(list)
        for entry in AuditEntry.objects.filter(about).order_by("sequence"):
            is_of_study = entry.action in self.of_study
            found[str(entry.study_id) if is_of_study else self._named_by(entry)].append(entry)
        return found

    def _named_by(self, entry: AuditEntry) -> str:
        return str(entry.detail.get(self.named, "")) if self.named else entry.object_id

    def _entries_with_rows(self) -> Iterator[tuple[int, list[Finding]]]:
        made = AuditEntry.objects.filter(action__in=self.made).order_by("sequence")
        last = 0
        while True:
            with snapshot():
                batch = list(made.filter(sequence__gt=last)[:BATCH])
                if not batch:
                    return
                last = batch[-1].sequence
                found = list(self._missing(batch))
            yield 0, found

    def _missing(self, entries: list[AuditEntry]) -> Iterator[Finding]:
        # An entry that refers to its row in its details no longer does once they are erased.
        keys = {self._named_by(each) for each in entries if not (self.named and is_blank(each))}
        there = self.rows().filter(**{f"{self.key}__in": keys}).values_list(self.key, flat=True)
        missing = keys - {str(key) for key in there}
        if missing:
            missing -= self.removed(missing)
            missing -= removed_by(entries, self.kind)
        for key in sorted(missing):
            yield Finding("row_missing", object_type=self.kind, object_id=key)


def checks() -> list[Comparison]:
    """The checks provided by the apps."""
    return [check for path in settings.AUDIT_CHECKS for check in import_string(path)]


def reconcile(progress: Callable[[int, int], object] = lambda done, of: None) -> list[Finding]:
    """Compare all records with the trail; at most MOST findings.

    Calls `progress` with the number of rows compared and their total.
    """
    all_checks = checks()
    total = sum(check.rows().count() for check in all_checks)
    done = 0
    findings: list[Finding] = []
    for check in all_checks:
        for rows, found in check.run():
            done += rows
            findings += found
            progress(done, max(done, total))
            if len(findings) >= MOST:
                return findings[:MOST]
    return findings


@contextmanager
def snapshot() -> Iterator[None]:
    """Run all statements within in one snapshot; in an existing transaction, in its snapshot."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def last_recorded(entries: Iterable[AuditEntry], name: str) -> Any:
    """The value of this detail in the last entry that has it; None if there is none."""
    values = [entry.detail[name] for entry in entries if name in entry.detail]
    return values[-1] if values else None


def differing_fields(recorded: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """The names of the values that differ between trail and row.

    Values that an entry of an earlier release does not have yet are not compared.
    """
    return [name for name in row if name in recorded and recorded[name] != row[name]]
