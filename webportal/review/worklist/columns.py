"""Columns of the worklist and their order.

Each person's choice is kept, and a saved view has its own.
"""

from collections.abc import Iterable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import User
from webportal.review.models import SavedView, WorklistPreference

# In the order offered. The patient column is mandatory: it links to the study.
COLUMNS: Mapping[str, str | Promise] = {
    "priority": _("Priority"),
    "result": _("Model result"),
    "patient": _("Patient"),
    "patient_id": _("Patient ID"),
    "accession": _("Accession no."),
    "description": _("Description"),
    "indication": _("Indication"),
    "images": _("Images"),
    "reader": _("Reader"),
    "examined": _("Examined"),
    "received": _("Received"),
    "waiting": _("Waiting"),
    "state": _("Read"),
}
ALWAYS = "patient"
DEFAULT = (
    "priority",
    "result",
    "patient",
    "patient_id",
    "accession",
    "indication",
    "images",
    "reader",
    "waiting",
)


def known_columns(names: Iterable[str]) -> list[str]:
    """Return the valid column names, deduplicated and in order, always with the patient."""
    known = dict.fromkeys(name for name in names if name in COLUMNS)
    return list(known) if ALWAYS in known else [ALWAYS, *known]


def offered_columns(shown: list[str]) -> list[tuple[str, str | Promise, bool]]:
    """Return every column with its label and whether it is shown, shown ones first in order."""
    others = [name for name in COLUMNS if name not in shown]
    return [(name, COLUMNS[name], name in shown) for name in [*shown, *others]]


def columns_for(user: User, view: SavedView | None) -> list[str]:
    """Return the columns of the open view, else the person's own."""
    if view is not None:
        return known_columns(view.columns)
    preference = WorklistPreference.objects.filter(user=user).first()
    return known_columns((preference and preference.columns) or DEFAULT)


def remember_columns(user: User, names: Iterable[str]) -> None:
    """Save a person's choice, in that order."""
    WorklistPreference.objects.update_or_create(
        user=user, defaults={"columns": known_columns(names)}
    )


def forget_columns(user: User) -> None:
    """Reset a person's columns to the default."""
    WorklistPreference.objects.filter(user=user).update(columns=[])
