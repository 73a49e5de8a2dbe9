"""Searching the access log: filters, access counts by user, and individual entries."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django import forms
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.access.models import AccessEntry, AccessKind, AccessOutcome
from webportal.accounts.models import Role, User
from webportal.audit.search import LogFilter, csv_line
from webportal.labels import label_of

MOST_GROUPS = 500
COLUMNS = [
    "id",
    "at",
    "user_id",
    "user",
    "roles",
    "kind",
    "outcome",
    "address",
    "device",
    "session",
    "token",
    "method",
    "route",
    "status",
    "target",
    "study_ids",
    "patient_ids",
    "file_ids",
    "criteria",
]


class AccessFilter(LogFilter):
    """Search criteria besides the patient. Every field is optional and narrows the results."""

    user = forms.CharField(
        label=_("User"), required=False, max_length=150, help_text=_("Full user name")
    )
    address = forms.CharField(label=_("Address"), required=False, max_length=45)
    kind = forms.ChoiceField(
        label=_("What"), required=False, choices=[("", _("Everything")), *AccessKind.choices]
    )

    field_order = ("user", "address", "kind")

    def entries(self, about: Q | None = None) -> QuerySet[AccessEntry]:
        """The matching entries, newest first; `about` is the condition of a subject."""
        wanted = self.cleaned_data
        entries = AccessEntry.objects.order_by("-id")
        if about is not None:
            entries = entries.filter(about)
        for name in ("user", "address", "kind"):
            if wanted[name]:
                entries = entries.filter(**{name: wanted[name]})
        if wanted["first_day"]:
            entries = entries.filter(at__gte=_start_of(wanted["first_day"]))
        # There is no day after the last one of the calendar, and so no upper limit.
        if wanted["last_day"] and wanted["last_day"] < date.max:
            entries = entries.filter(at__lt=_start_of(wanted["last_day"] + timedelta(days=1)))
        return entries


@dataclass(frozen=True)
class AccessGroup:
    """How often a user was shown a patient in one way, over which period and from where."""

    user: str
    full_name: str
    roles: list[str]
    kind: str
    outcome: str
    count: int
    first: datetime
    last: datetime
    addresses: list[str]

    @property
    def role_labels(self) -> str:
        """The roles in words."""
        return role_labels(self.roles)

    @property
    def what(self) -> str:
        """What was shown or refused, in words."""
        return what(self.kind, self.outcome)


def role_labels(roles: list[str]) -> str:
    """Roles in words; those that this version does not know, as they are stored."""
    return ", ".join(label_of(Role, role) for role in roles)


def what(kind: str, outcome: str) -> str:
    """A kind in words, with an outcome other than success."""
    label = label_of(AccessKind, kind)
    return (
        label if outcome == AccessOutcome.DONE else f"{label}: {label_of(AccessOutcome, outcome)}"
    )


def groups_of(entries: QuerySet[AccessEntry]) -> list[AccessGroup]:
    """The entries grouped by user, role and what was shown, latest first, up to MOST_GROUPS."""
    rows = list(
        entries.order_by()
        .values("user", "roles", "kind", "outcome")
        .annotate(
            count=Count("id"),
            first=Min("at"),
            last=Max("at"),
            addresses=ArrayAgg("address", distinct=True, default=[]),
        )
        .order_by("-last")[:MOST_GROUPS]
    )
    users = User.objects.filter(username__in={row["user"] for row in rows})
    names = dict(users.values_list("username", "full_name"))
    return [AccessGroup(full_name=names.get(row["user"], ""), **row) for row in rows]


def csv_lines(entries: QuerySet[AccessEntry]) -> Iterator[str]:
    """A header and one line per entry, safe to open in a spreadsheet; ids separated by spaces."""
    yield csv_line(COLUMNS)
    for entry in entries.iterator(chunk_size=2000):
        values = {name: getattr(entry, name) for name in COLUMNS}
        values["at"] = entry.at.isoformat()
        values["criteria"] = json.dumps(entry.criteria, ensure_ascii=False)
        for name in ("roles", "study_ids", "patient_ids", "file_ids"):
            values[name] = " ".join(map(str, values[name]))
        yield csv_line(values.values())


def _start_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
