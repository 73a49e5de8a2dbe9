"""Searching the trail: filters, pagination that stays fast, and export."""

import csv
import io
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Generic, TypeVar

from django import forms
from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.audit.models import Action, AuditEntry

Entry = TypeVar("Entry", bound=Model)

PAGE_SIZE = 100
#: The fields of an entry, in exports and over REST.
COLUMNS = [
    "sequence",
    "at",
    "actor_id",
    "actor",
    "action",
    "object_type",
    "object_id",
    "study_id",
    "detail",
    "previous_mac",
    "mac",
    "origin",
]


class LogFilter(forms.Form):
    """Filters common to all logs: the dates. Subclasses name the fields that precede them."""

    first_day = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    last_day = forms.DateField(
        label=_("To and including"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            kind = "select" if isinstance(field.widget, forms.Select) else "control"
            field.widget.attrs["class"] = f"form-{kind} form-{kind}-sm"

    def used(self) -> dict[str, str]:
        """The filters in use, for the entry that records the search."""
        return {name: str(value) for name, value in self.cleaned_data.items() if value}


class TrailFilter(LogFilter):
    """Search criteria. Every field is optional and narrows the results further."""

    actor = forms.CharField(
        label=_("Who"),
        required=False,
        max_length=150,
        help_text=_("User name, or system or unknown"),
    )
    action = forms.ChoiceField(
        label=_("What"), required=False, choices=[("", _("Everything")), *Action.choices]
    )
    object_id = forms.CharField(
        label=_("Object or study"), required=False, max_length=64, help_text=_("Full ID")
    )

    field_order = ("actor", "action", "object_id")

    def entries(self) -> QuerySet[AuditEntry]:
        """The entries that match, newest first."""
        wanted = self.cleaned_data
        entries = AuditEntry.objects.order_by("-sequence")
        if wanted["actor"]:
            entries = entries.filter(actor=wanted["actor"])
        if wanted["action"]:
            entries = entries.filter(action=wanted["action"])
        if wanted["object_id"]:
            entries = entries.filter(_about(wanted["object_id"]))
        # Dates are converted to sequence numbers by two look-ups in the index of `at`, so that a
        # page of an old day is as fast as today's.
        if wanted["first_day"]:
            entries = entries.filter(sequence__gte=_first_sequence(wanted["first_day"]))
        # There is no day after the last one of the calendar, and so no upper limit.
        if wanted["last_day"] and wanted["last_day"] < date.max:
            after = wanted["last_day"] + timedelta(days=1)
            entries = entries.filter(sequence__lt=_first_sequence(after))
        return entries


@dataclass(frozen=True)
class LogPage(Generic[Entry]):
    """A page of a log, newest first, and the primary key that the next one starts below."""

    entries: list[Entry]
    older: int | None
    has_newer: bool


def page_of(entries: QuerySet[Entry], before: str) -> LogPage[Entry]:
    """The newest PAGE_SIZE entries below the primary key `before`.

    Anything that is not a number starts at the newest of all.
    """
    has_newer = re.fullmatch("[0-9]{1,18}", before) is not None
    found = list((entries.filter(pk__lt=int(before)) if has_newer else entries)[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    return LogPage(shown, shown[-1].pk if len(found) > PAGE_SIZE else None, has_newer)


def json_lines(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """One JSON object per line, with the MACs, so that the chain can be checked elsewhere."""
    for row in _rows(entries):
        yield json.dumps(row, ensure_ascii=False) + "\n"


def csv_lines(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    """A header and one line per entry, safe to open in a spreadsheet."""
    yield csv_line(COLUMNS)
    for row in _rows(entries):
        detail = json.dumps(row["detail"], ensure_ascii=False)
        origin = json.dumps(row["origin"], ensure_ascii=False) if row["origin"] else ""
        texts = row | {"detail": detail, "origin": origin}
        yield csv_line(texts.values())


def _rows(entries: QuerySet[AuditEntry]) -> Iterator[dict[str, Any]]:
    for entry in entries.iterator(chunk_size=2000):
        row = {name: getattr(entry, name) for name in COLUMNS}
        yield row | {
            "at": entry.at.isoformat(),
            "actor_id": str(entry.actor_id or ""),
            "study_id": str(entry.study_id or ""),
        }


def csv_line(values: Iterable[object]) -> str:
    """A line of CSV, safe to open in a spreadsheet."""
    line = io.StringIO()
    csv.writer(line).writerow([_cell(value) for value in values])
    return line.getvalue()


def _cell(value: object) -> object:
    """An apostrophe keeps a user name such as '@name' from being a formula in a spreadsheet."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _about(text: str) -> Q:
    about = Q(object_id=text)
    try:
        return about | Q(study_id=uuid.UUID(text))
    except ValueError:
        return about


def _first_sequence(day: date) -> int:
    """The sequence of the first entry on or after `day`; one past the end when there is none."""
    start = timezone.make_aware(datetime.combine(day, time.min))
    first = AuditEntry.objects.filter(at__gte=start).order_by("at", "sequence").first()
    if first is not None:
        return first.sequence
    last = AuditEntry.objects.order_by("-sequence").first()
    return last.sequence + 1 if last is not None else 1
