"""Orders of the worklist, with keyset pagination that costs the same at any depth.

A page starts after a cursor, not at an offset, so that the database seeks in the index instead of
counting the rows before it. Each order has an index in `Study.Meta`, one for a single reading state
and one for all.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Expression, F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.records.choices import ReadingState
from webportal.records.models import KNOWN_PROBABILITY, Study

STUDIES_PER_PAGE = 50
# Most urgent first, then worst, then waiting longest.
URGENCY = ("priority", "concern", "created_at", "id")
# Studies of one patient in the order received.
NAME = ("sort_name", "created_at", "id")
PATIENT_ID = ("sort_patient_id", "created_at", "id")
EVERY_STATE = "all"
# Not a reading state, but studies waiting for this reader's blind second read.
SECOND_READS = "second"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("A moment without a zone.")
    return moment


@dataclass(frozen=True)
class SortOrder:
    """An order of studies by `keys`, all ascending or all descending.

    `read` converts each part of a cursor's text for comparison with its key. If the key identifies
    a patient (`is_private`), the cursor is the id of the study instead.
    """

    label: str | Promise
    keys: tuple[Expression | F, ...]
    names: tuple[str, ...]
    read: tuple[Callable[[str], Any], ...]
    is_falling: bool = False
    is_private: bool = False

    def sort(self, studies: QuerySet[Study], *, backwards: bool = False) -> QuerySet[Study]:
        """Return the studies in this order, or in the reverse one."""
        falls = self.is_falling != backwards
        return studies.order_by(*(key.desc() if falls else key.asc() for key in self.keys))

    def beyond(
        self, studies: QuerySet[Study], place: tuple[Any, ...], *, backwards: bool = False
    ) -> QuerySet[Study]:
        """Return the studies after a position, or before it."""
        falls = self.is_falling != backwards
        lookup = TupleLessThan if falls else TupleGreaterThan
        return studies.filter(lookup(Tuple(*self.keys), place))

    def cursor(self, study: Study) -> str:
        """Return the cursor of a study for the URL; it contains no patient data."""
        if self.is_private:
            return str(study.pk)
        return "~".join(_as_text(getattr(study, name)) for name in self.names)

    def place(self, cursor: str, known: QuerySet[Study]) -> tuple[Any, ...] | None:
        """Parse a cursor into a position; None if it is not valid for this order.

        `known` are the studies whose position may be told.
        """
        if self.is_private:
            return _place_of_study(cursor, self.names, known)
        parts = cursor.split("~")
        if len(parts) != len(self.read):
            return None
        try:
            return tuple(read(part) for read, part in zip(self.read, parts, strict=True))
        except (ValueError, OverflowError):
            return None


def _place_of_study(
    cursor: str, names: tuple[str, ...], known: QuerySet[Study]
) -> tuple[Any, ...] | None:
    try:
        key = uuid.UUID(cursor)
    except ValueError:
        return None
    return known.filter(pk=key).values_list(*names).first()


def _as_text(value: Any) -> str:
    if value is None:
        return "-1.0"  # as KNOWN_PROBABILITY has it
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value)


ORDERS: Mapping[str, SortOrder] = {
    "urgency": SortOrder(
        _("Most urgent first"),
        tuple(F(name) for name in URGENCY),
        URGENCY,
        (int, int, _moment, uuid.UUID),
    ),
    "waiting": SortOrder(
        _("Longest waiting first"),
        (F("created_at"), F("id")),
        ("created_at", "id"),
        (_moment, uuid.UUID),
    ),
    "newest": SortOrder(
        _("Newest first"),
        (F("created_at"), F("id")),
        ("created_at", "id"),
        (_moment, uuid.UUID),
        is_falling=True,
    ),
    "probability": SortOrder(
        _("Highest probability by the model first"),
        (KNOWN_PROBABILITY, F("id")),
        ("probability", "id"),
        (float, uuid.UUID),
        is_falling=True,
    ),
    "name": SortOrder(
        _("By the patient’s name"),
        tuple(F(name) for name in NAME),
        NAME,
        (),
        is_private=True,
    ),
    "patient_id": SortOrder(
        _("By Patient ID"),
        tuple(F(name) for name in PATIENT_ID),
        PATIENT_ID,
        (),
        is_private=True,
    ),
}


# These follow from the model's result.
BY_RESULT = ("urgency", "probability")
# Replaces urgency where the result must not be revealed: for second reads, which are few, and for
# those who read first. Unread studies are then sorted without a dedicated index.
BLIND_URGENCY = SortOrder(
    _("Most urgent first"),
    (F("priority"), F("created_at"), F("id")),
    ("priority", "created_at", "id"),
    (int, _moment, uuid.UUID),
)


def order_in(state: str, name: str, *, is_closed: bool = False) -> SortOrder:
    """Return the order of that name, or one that reveals no result.

    The latter for `SECOND_READS`, and if results are closed to the reader (`is_closed`).
    """
    hides_results = state == SECOND_READS or is_closed
    return BLIND_URGENCY if hides_results and name in BY_RESULT else ORDERS[name]


def orders_in(state: str, *, is_closed: bool = False) -> list[tuple[str, str | Promise]]:
    """Return the names and labels of the orders that a reading state has.

    Where no result may be revealed, of those by result only urgency, which `order_in` replaces.
    """
    hides_results = state == SECOND_READS or is_closed
    withheld = set(BY_RESULT) - {"urgency"} if hides_results else set()
    names = [name for name in ORDERS if name not in withheld]
    return [(name, ORDERS[name].label) for name in names]


def default_order(state: str) -> str:
    """Urgency for worklists to read, newest first for looking up."""
    return "urgency" if state in (ReadingState.UNREAD, SECOND_READS) else "newest"


@dataclass(frozen=True)
class WorklistPage:
    """A page of ordered studies; `previous` and `next` are the cursors of adjacent pages, or ''.

    `is_first` is true only for the page without a cursor.
    """

    studies: list[Study]
    previous: str
    next: str
    is_first: bool


def page_of(
    studies: QuerySet[Study],
    order: SortOrder,
    *,
    after: str = "",
    before: str = "",
    known: QuerySet[Study] | None = None,
) -> WorklistPage:
    """Return the page after or before a cursor; the first one if it is missing or invalid.

    A cursor may be of a study that does not match any more: one of `known`.
    """
    backwards = bool(before)
    place = (
        order.place(before or after, studies if known is None else known)
        if before or after
        else None
    )
    if place is None:
        backwards = False
    else:
        studies = order.beyond(studies, place, backwards=backwards)
    found = list(order.sort(studies, backwards=backwards)[: STUDIES_PER_PAGE + 1])
    has_more = len(found) > STUDIES_PER_PAGE
    found = found[:STUDIES_PER_PAGE]
    if backwards:
        found.reverse()
    has_previous = has_more if backwards else place is not None
    has_next = backwards or has_more
    return WorklistPage(
        found,
        order.cursor(found[0]) if found and has_previous else "",
        order.cursor(found[-1]) if found and has_next else "",
        place is None,
    )
