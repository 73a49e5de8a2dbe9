"""Removing orders that were never linked, and records of messages, after ORDERS_KEPT_DAYS."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from webportal.audit import erasure
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event
from webportal.orders.linking import lock_numbers
from webportal.orders.models import Order, OrderedStudy, OrderMessage

_AT_ONCE = 500


def remove_old() -> int:
    """Remove them, and the details of their audit entries; returns the number of orders removed."""
    until = timezone.now() - timedelta(days=settings.ORDERS_KEPT_DAYS)
    OrderMessage.objects.filter(received_at__lt=until).delete()
    removed = 0
    while count := _remove_some(until):
        removed += count
    return removed


@transaction.atomic
def _remove_some(until: object) -> int:
    links = OrderedStudy.objects.filter(order=OuterRef("pk"))
    old = Order.objects.filter(~Exists(links), changed_at__lt=until)
    some = dict(old.values_list("pk", "accession_number")[:_AT_ONCE])
    lock_numbers(some.values())
    locked = old.filter(pk__in=list(some)).select_for_update(of=("self",), skip_locked=True)
    keys = [str(key) for key in locked.values_list("pk", flat=True)]
    # Without those that were linked while we waited for the lock.
    keys = [str(key) for key in old.filter(pk__in=keys).values_list("pk", flat=True)]
    if not keys:
        return 0
    entries = AuditEntry.objects.filter(object_type="order", object_id__in=keys)
    detail = {"reason": "orders_kept_days", "orders": len(keys)}
    event = Event(Action.RECORDS_ERASED, "order", detail=detail)
    erasure.erase(entries, event, {"order": keys})
    Order.objects.filter(pk__in=keys).delete()
    return len(keys)
