"""Quick filters above the worklist, each with the number of studies that it leads to."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from webportal.accounts.models import User
from webportal.records.choices import Priority, ReadingState
from webportal.review.worklist.counts import Count, count_matches
from webportal.review.worklist.filters import MINE, matching, state_of
from webportal.review.worklist.order import EVERY_STATE


@dataclass(frozen=True)
class Chip:
    """A quick filter: it sets `field` to `value`, or removes it where it is chosen."""

    label: str
    field: str
    value: Any
    count: Count
    is_chosen: bool

    @property
    def next_value(self) -> Any:
        """The value that a click sets the field to."""
        return None if self.is_chosen else self.value


def chips_of(
    chosen: dict[str, Any],
    text: str,
    reader: User,
    counts: dict[str, Count],
    *,
    is_closed: bool,
    shows_results: bool,
) -> list[Chip]:
    """The quick filters within a reading state; those by result only if the reader sees results.

    `counts` are those of the whole state. As soon as the state is filtered, each chip has the count
    of the list that it leads to: that of the state would be taken for it.
    """
    offered = [
        (gettext("assigned to me"), "mine", "assigned", MINE),
        (gettext("stat"), "stat", "priority", Priority.STAT.value),
    ]
    if shows_results:
        offered += _by_result(state_of(chosen))
    is_filtered = bool(text) or bool(set(chosen) - {"state", "order", "search"})
    return [
        Chip(
            label,
            field,
            value,
            count_matches(matching({**chosen, field: value}, text, reader, is_closed=is_closed))
            if is_filtered
            else counts[counted],
            chosen.get(field) == value,
        )
        for label, counted, field, value in offered
    ]


def _by_result(state: str) -> list[tuple[str, str, str, Any]]:
    offered: list[tuple[str, str, str, Any]] = [
        (gettext("likely"), "likely", "category", "likely"),
        (gettext("indeterminate"), "indeterminate", "category", "indeterminate"),
        (gettext("not assessable"), "not_assessable", "category", "not_assessable"),
        (gettext("unlikely"), "unlikely", "category", "unlikely"),
        (gettext("without a result"), "no_result", "category", "none"),
    ]
    if state not in (ReadingState.SIGNED, EVERY_STATE):
        return offered
    # Beside signed findings it must be clear whose results these are.
    return [
        (gettext("model: %(result)s") % {"result": label}, counted, field, value)
        for label, counted, field, value in offered
    ]
