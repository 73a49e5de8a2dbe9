"""Operations on deliveries for hospital IT: send again, cancel, count."""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.database.clock import clock
from webportal.delivery.models import UNSETTLED, Delivery, DeliveryState, Destination
from webportal.refusals import Conflict

MOST_AT_ONCE = 500


class DeliveryError(Conflict):
    """The operation is not possible in the delivery's state."""


def send_again(ids: Collection[uuid.UUID], by: User) -> int:
    """Send finished deliveries again, and waiting ones at once; return their number.

    The destination gets the same document with the same UID. Raises DeliveryError.
    """
    chosen = Delivery.objects.filter(pk__in=ids, destination__removed_at=None)
    fields: dict[str, Any] = {
        "state": DeliveryState.WAITING,
        "settled_at": None,
        "refusals": 0,
        "missing": 0,
        "confirmation": None,
        "next_attempt_at": clock(),
        "reason_code": "",
        "reason_params": {},
    }
    return _change(chosen, Action.DELIVERY_RETRIED, fields, by)


def send_rejected_again(destination: Destination, by: User) -> int:
    """Send everything again that a destination has rejected; return the number.

    Raises DeliveryError if there is nothing.
    """
    rejected = Delivery.objects.filter(destination=destination, state=DeliveryState.REJECTED)
    ids = list(rejected.values_list("pk", flat=True))
    if not ids:
        raise DeliveryError(_("This destination has rejected nothing."))
    parts = range(0, len(ids), MOST_AT_ONCE)
    return sum(send_again(ids[start : start + MOST_AT_ONCE], by) for start in parts)


def cancel(ids: Collection[uuid.UUID], by: User) -> int:
    """Cancel deliveries that are not delivered yet; return their number. Raises DeliveryError."""
    states = [*UNSETTLED, DeliveryState.REJECTED]
    chosen = Delivery.objects.filter(pk__in=ids, state__in=states)
    fields: dict[str, Any] = {
        "state": DeliveryState.CANCELLED,
        "settled_at": clock(),
        "reason_code": "cancelled_by_person",
        "reason_params": {},
    }
    return _change(chosen, Action.DELIVERY_CANCELLED, fields, by)


@transaction.atomic
def _change(chosen: QuerySet[Delivery], action: Action, fields: dict[str, Any], by: User) -> int:
    found = list(
        chosen.order_by("pk")
        .select_for_update(of=("self",))
        .select_related("destination", "document")[: MOST_AT_ONCE + 1]
    )
    if not found:
        raise DeliveryError(_("This is no longer possible for any of the selected deliveries."))
    if len(found) > MOST_AT_ONCE:
        raise DeliveryError(_("Select at most 500 at once."))
    Delivery.objects.filter(pk__in=[each.pk for each in found]).update(**fields)
    append_all(
        [
            Event(
                action,
                "delivery",
                each.pk,
                each.document.study_id,
                {"destination": each.destination.name, "kind": each.document.kind},
            )
            for each in found
        ],
        by,
    )
    return len(found)


def unsettled_by_state() -> dict[DeliveryState, int]:
    """How many deliveries to destinations in use wait, are to be confirmed, or were rejected."""
    states = (*UNSETTLED, DeliveryState.REJECTED)
    rows = Delivery.objects.filter(state__in=states, destination__removed_at=None)
    counts = rows.order_by().values("state").annotate(count=Count("pk"))
    return dict.fromkeys(states, 0) | {DeliveryState(row["state"]): row["count"] for row in counts}


def longest_wait() -> timedelta:
    """How long the oldest delivery has waited whose destination is not paused; zero if none."""
    waiting = Delivery.objects.filter(
        state=DeliveryState.WAITING, destination__removed_at=None, destination__is_paused=False
    )
    oldest = waiting.order_by().aggregate(oldest=Min("created_at"))["oldest"]
    return max(timezone.now() - oldest, timedelta(0)) if oldest else timedelta(0)
