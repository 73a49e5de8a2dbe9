"""What pages and API show of the orders of a study."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import User
from webportal.orders.linking import of_number
from webportal.orders.models import Order, OrderedStudy, OrderSource
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


def order_context(study: Study, person: User) -> dict[str, Any]:
    """What the study page says to a person of its orders."""
    orders = orders_of([study.pk])[study.pk]
    return {
        "orders": orders,
        "is_cancelled": bool(orders) and all(order.is_cancelled for order in orders),
        "waiting_orders": of_number(study).filter(Order.known_in(scope_of(person))).count(),
        "receives_orders": bool(orders) or receives_orders(),
    }
