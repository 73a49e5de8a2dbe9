"""How many studies there are, without counting a hundred thousand of them for every glance.

Counting stops at CAP, which is as exact as a worklist needs; every count is of one range of an
index. See docs/architecture.md.
"""

from dataclasses import dataclass

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection, models
from django.db.models import QuerySet

from webportal.accounts.models import User
from webportal.records.models import Concern, Priority, ReadingState, Study
from webportal.review.blinding import hidden_results
from webportal.review.worklist.order import EVERY_STATE

CAP = 10_000
MATCH_CAP = 1_000


@dataclass(frozen=True)
class Count:
    """A number of things, which is at least `number` when it `is_capped`."""

    number: int
    is_capped: bool

    def __str__(self) -> str:
        return f"{intcomma(self.number)}+" if self.is_capped else intcomma(self.number)

    def __bool__(self) -> bool:
        return self.number > 0


def capped(number: int, cap: int = CAP) -> Count:
    """Return what was counted up to one more than the cap."""
    return Count(min(number, cap), number > cap)


def count_matches(studies: QuerySet[Study]) -> Count:
    """Count the studies of a query, up to MATCH_CAP."""
    return capped(studies.order_by()[: MATCH_CAP + 1].count(), MATCH_CAP)


def tab_counts(state: str, reader: User) -> dict[str, Count]:
    """Count each reading state and all; of the shown one also by result, stat and the reader's own.

    The keys are the reading states and `all`, the names of `Concern` in small letters, `stat` and
    `mine`.
    """
    within = "TRUE" if state == EVERY_STATE else "reading_state = %(state)s"
    conditions = {each: f"reading_state = '{each}'" for each in ReadingState.values}
    conditions[EVERY_STATE] = "TRUE"
    conditions["stat"] = f"{within} AND priority = {Priority.STAT.value}"
    conditions["mine"] = f"{within} AND assigned_reader_id = %(reader)s"
    priorities = ", ".join(str(priority) for priority in Priority.values)
    for concern in Concern:
        # Naming every priority makes each a range of the index, whose second column it is.
        conditions[concern.name.lower()] = (
            f"{within} AND priority IN ({priorities}) AND concern = {concern.value}"
        )
    counts = ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM records_study WHERE {condition} LIMIT {CAP + 1}) AS s)"
        for condition in conditions.values()
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts}", {"state": state, "reader": reader.pk})
        numbers = dict(zip(conditions, cursor.fetchone(), strict=True))
    if state != ReadingState.SIGNED:
        # To be counted under a result would tell it.
        hidden = Study.objects.filter(hidden_results(reader)).order_by()
        for concern, number in hidden.values_list("concern").annotate(models.Count("pk")):
            numbers[Concern(concern).name.lower()] -= number
    return {name: capped(number) for name, number in numbers.items()}
