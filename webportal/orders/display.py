"""What pages and API show about the orders of a study."""

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

#: Fields in which an order may differ from its patient.
FIELDS: dict[str, str | Promise] = {
    "patient_id": _("Patient ID"),
    "birth_date": _("date of birth"),
}


def receives_orders() -> bool:
    """Whether any system sends orders; if none does, no study lacks its order."""
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
    """The query of a worklist for the order of a study, and its result.

    `is_waiting`: the query is still to be sent; `is_away`: the worklist does not respond.
    """

    source: str
    state: str
    at: datetime | None
    is_waiting: bool
    is_away: bool
    reason: Reason


def asked_of(study: Study) -> list[Asked]:
    """The queries of worklists for the order of a study that has none."""
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
    """The orders of a study as the study page shows them to this person."""
    orders = orders_of([study.pk])[study.pk]
    return {
        "orders": orders,
        "is_cancelled": bool(orders) and all(order.is_cancelled for order in orders),
        "waiting_orders": of_number(study).filter(Order.known_in(scope_of(person))).count(),
        "receives_orders": bool(orders) or receives_orders(),
        "asked": [] if orders else asked_of(study),
    }
