"""Orders and their links compared with the audit trail."""

from typing import Any

from webportal.audit.erasure import is_blank
from webportal.audit.models import Action
from webportal.audit.reconciliation import Check, Entries, differing_fields
from webportal.orders.models import Order
from webportal.orders.receiving import described


def _differences_of_order(order: Order, entries: Entries) -> list[str]:
    """Compare what changed last, and the studies to which it was linked last."""
    recorded: dict[str, Any] = {}
    linked: set[str] = set()
    for entry in entries:
        if is_blank(entry):
            # Erased with one of its studies: what it said is not known.
            recorded = {}
        elif entry.action == Action.ORDER_RECEIVED:
            recorded = {name: entry.detail[name] for name in ("status", "priority")}
        elif entry.action in (Action.ORDER_CHANGED, Action.ORDER_CANCELLED):
            recorded |= {name: change["to"] for name, change in entry.detail.items()}
        if entry.action == Action.ORDER_LINKED:
            linked.add(str(entry.study_id))
        elif entry.action == Action.ORDER_UNLINKED:
            linked.discard(str(entry.study_id))
    differing = differing_fields(recorded, described(order))
    present = {str(each.study_id) for each in order.links.all()}
    return [*differing, "studies"] if present - linked else differing


CHECKS = [
    Check(
        kind="order",
        rows=lambda: Order.objects.select_related("source").prefetch_related("links"),
        made=(Action.ORDER_RECEIVED,),
        further=(
            Action.ORDER_CHANGED,
            Action.ORDER_CANCELLED,
            Action.ORDER_LINKED,
            Action.ORDER_UNLINKED,
        ),
        differences=_differences_of_order,
    ),
]
