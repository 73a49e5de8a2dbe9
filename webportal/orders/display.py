"""What pages and API show of the orders of a study."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import User
from webportal.orders import questions
from webportal.orders.linking import of_number
from webportal.orders.models import (
    Order,
    OrderedStudy,
    OrderQuestion,
    OrderSource,
)
from webportal.reasons import Reason
from webportal.records.models import Study
from webportal.records.visibility import scope_of

#: Fields in which order and patient may differ.
FIELDS: dict[str, str | Promise] = {
    "patient_id": _("Patient ID"),
    "birth_date": _("date of birth"),
}


def receives_orders() -> bool:
    """Whether there is anybody who sends orders; without, no study is missed one."""
    return OrderSource.objects.filter(is_active=True).exists()


def orders_of(studies: Iterable[UUID]) -> dict[UUID, list[Order]]:
    """The orders linked to studies that the caller may see, by the id of the study."""
    found: dict[UUID, list[Order]] = defaultdict(list)
    links = OrderedStudy.objects.filter(study__in=list(studies)).select_related("order")
    for each in links:
        found[each.study_id].append(each.order)
    return found


@dataclass(frozen=True)
class Asked:
    """What a worklist was asked of a study without an order, and what it said.

    `is_waiting`: it is still to be asked; `is_away`: it cannot be at present.
    """

    source: str
    state: str
    at: datetime | None
    is_waiting: bool
    is_away: bool
    reason: Reason


def asked_of(study: Study) -> list[Asked]:
    """What worklists were asked for the order of a study, which has none."""
    asked = OrderQuestion.objects.filter(study=study, source__is_active=True)
    open_questions = set(questions.waiting().filter(study=study).values_list("pk", flat=True))
    return [
        Asked(
            each.source.name,
            each.state,
            each.asked_at,
            each.pk in open_questions,
            each.pk in open_questions and each.source.failures > 0,
            each.reason,
        )
        for each in asked.select_related("source")
        if study.accession_number
    ]


def order_context(study: Study, person: User) -> dict[str, Any]:
    """What the study page says to a person of its orders."""
    orders = orders_of([study.pk])[study.pk]
    return {
        "orders": orders,
        "is_cancelled": bool(orders) and all(order.is_cancelled for order in orders),
        "waiting_orders": of_number(study).filter(Order.known_in(scope_of(person))).count(),
        "receives_orders": bool(orders) or receives_orders(),
        "asked": [] if orders else asked_of(study),
    }
