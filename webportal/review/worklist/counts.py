"""Capped counts of studies, so that no page view scans a hundred thousand rows.

Counting stops at CAP, which is as exact as a worklist needs; each count is one index range. See
docs/decisions/reading.md.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection
from django.db.models import Count as CountOf
from django.db.models import Q, QuerySet

from webportal.accounts.models import User
from webportal.records.choices import Concern, Priority, ReadingState
from webportal.records.models import Study
from webportal.records.visibility import scope_of
from webportal.review.reads.blinding import reads_without_model, waiting_blind
from webportal.review.worklist.order import EVERY_STATE, SECOND_READS

CAP = 10_000
MATCH_CAP = 1_000
RESULTS = {concern.name.lower(): concern for concern in Concern}
OTHERS = ("stat", "mine")


@dataclass(frozen=True)
class Count:
    """A count; at least `number` if it `is_capped`."""

    number: int
    is_capped: bool

    def __str__(self) -> str:
        return f"{intcomma(self.number)}+" if self.is_capped else intcomma(self.number)

    def __bool__(self) -> bool:
        return self.number > 0


def capped(number: int, cap: int) -> Count:
    """Make a count from rows counted up to one more than the cap."""
    return Count(min(number, cap), number > cap)


def count_matches(studies: QuerySet[Study]) -> Count:
    """Count the studies of a query, up to MATCH_CAP."""
    return capped(studies.order_by()[: MATCH_CAP + 1].count(), MATCH_CAP)


def tab_counts(state: str, reader: User) -> dict[str, Count]:
    """Count each reading state and all; in the current one also results, stat and one's own.

    The keys are the reading states, `second` for what the reader reads blind, `all`, the lowercase
    names of `Concern`, `stat` and `mine`. Studies that are read blind count under no result and are
    apart from the unread ones.
    """
    hidden = _hidden_counts(reader)
    second = hidden[SECOND_READS]
    # Subtracting hidden ones must not make a capped count look exact.
    numbers = _numbers(EVERY_STATE if state == SECOND_READS else state, reader, CAP + 1 + second)
    numbers |= {SECOND_READS: second, ReadingState.UNREAD: numbers[ReadingState.UNREAD] - second}
    if state == SECOND_READS:
        numbers |= dict.fromkeys(RESULTS, 0) | {name: hidden[name] for name in OTHERS}
    elif state == ReadingState.UNREAD:
        numbers |= {name: numbers[name] - hidden[name] for name in (*RESULTS, *OTHERS)}
    elif state == EVERY_STATE:
        numbers |= {name: numbers[name] - hidden[name] for name in RESULTS}
    return {name: capped(number, CAP) for name, number in numbers.items()}


def _numbers(state: str, reader: User, most: int) -> dict[str, int]:
    """Count up to the cap, including what is hidden from the reader."""
    within = "TRUE" if state == EVERY_STATE else "reading_state = %(state)s"
    scope = scope_of(reader)
    mine = scope.sql()
    conditions = {each: f"reading_state = '{each}'" for each in ReadingState.values}
    conditions[EVERY_STATE] = "TRUE"
    conditions["stat"] = f"{within} AND priority = {Priority.STAT.value}"
    conditions["mine"] = f"{within} AND assigned_reader_id = %(reader)s"
    priorities = ", ".join(str(priority) for priority in Priority.values)
    for name, concern in RESULTS.items():
        # Listing every priority makes each an index range, as it is the index's second column.
        conditions[name] = f"{within} AND priority IN ({priorities}) AND concern = {concern.value}"
    counts = ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM records_study WHERE {mine} AND {condition}"  # noqa: S608
        f" LIMIT {most}) AS s)"
        for condition in conditions.values()
    )
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"state": state, "reader": reader.pk, **scope.parameters}
        cursor.execute(f"SELECT {counts}", values)
        return dict(zip(conditions, cursor.fetchone(), strict=True))


def _hidden_counts(reader: User) -> dict[str, int]:
    """Count the studies that the reader reads blind, under the keys of `tab_counts`."""
    asked = {"stat": Q(priority=Priority.STAT), "mine": Q(assigned_reader=reader)}
    asked |= {name: Q(concern=concern) for name, concern in RESULTS.items()}
    if not reads_without_model(reader):
        return dict.fromkeys((SECOND_READS, *asked), 0)
    hidden = Study.objects.in_departments_of(reader).filter(waiting_blind(reader)).order_by()
    counts = {name: CountOf("pk", filter=condition) for name, condition in asked.items()}
    numbers: dict[str, int] = hidden.aggregate(**{SECOND_READS: CountOf("pk")}, **counts)
    return numbers
