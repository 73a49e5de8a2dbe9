"""Confirming what destinations have stored, before they count as delivered.

A C-STORE that succeeded says that the PACS has taken an instance, not that it keeps it. What is
missing is sent again, and rejected once it has been missing too often.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from webportal.audit.models import Action
from webportal.audit.trail import append
from webportal.backoff import pause_seconds
from webportal.database.clock import clock
from webportal.delivery.attempts import event_of, settle
from webportal.delivery.models import Delivery, DeliveryState, Destination
from webportal.delivery.senders.outcome import NO_ANSWER, Outcome, Result, Sender
from webportal.network.confirming import MOST_AT_ONCE
from webportal.network.models import StorageRequest, StorageRequestState

#: How often a document may be missing before it is rejected.
MOST_MISSING = 3
#: A document that is not confirmed for so long is rejected.
GIVE_UP_AFTER = timedelta(days=1)
NO_REPORT = Outcome(Result.AGAIN, "not_confirmed")
_LOOK_AGAIN_SECONDS = 60.0
#: A report that has not come by then is asked for again.
REPORT_WITHIN = timedelta(minutes=30)


def to_confirm(destination: Destination) -> QuerySet[Delivery]:
    """What a destination is to be asked about now, or has reported on, oldest first."""
    stored = Delivery.objects.filter(destination=destination, state=DeliveryState.STORED)
    is_reported = Q(confirmation__state=StorageRequestState.REPORTED)
    return stored.filter(is_reported | Q(next_attempt_at__lte=clock())).order_by("created_at", "id")


def confirm(destination: Destination, sender: Sender) -> None:
    """Settle what a destination has reported on, and ask about the rest that is due.

    What was stored before a destination was no longer to confirm it counts as delivered.
    """
    found = to_confirm(destination).select_related("destination", "document__study", "confirmation")
    due = [each for each in found[:MOST_AT_ONCE] if not _is_settled(each)]
    if not destination.confirms:
        for delivery in due:
            _take_its_word(delivery)
        return
    if not due:
        return
    answer = sender.confirm(due)
    for delivery in due:
        instance = delivery.document.sop_instance_uid
        if isinstance(answer, Outcome):
            _not_asked(delivery, answer)
        elif instance in answer.present:
            note_confirmed(delivery)
        elif instance in answer.missing:
            note_missing(delivery, answer.missing[instance])
        elif answer.request is not None:
            _wait_for_report(delivery, answer.request)
        else:
            _not_asked(delivery, NO_ANSWER)


def _is_settled(delivery: Delivery) -> bool:
    """Settle a delivery that was reported on, or never is; return whether it was."""
    request = delivery.confirmation
    if request is None:
        return False
    if request.state == StorageRequestState.WAITING:
        return _is_given_up(delivery, NO_REPORT)
    instance = delivery.document.sop_instance_uid
    if instance in request.committed:
        note_confirmed(delivery)
    else:
        reason = request.failed.get(instance)
        note_missing(delivery, "?" if reason is None else f"0x{reason:04X}")
    return True


@transaction.atomic
def note_confirmed(delivery: Delivery) -> None:
    """Record that a destination keeps a document."""
    locked = _locked(delivery)
    if locked is None:
        return
    settle(locked, DeliveryState.DELIVERED, "")
    append(event_of(locked, Action.DELIVERY_CONFIRMED))


@transaction.atomic
def _take_its_word(delivery: Delivery) -> None:
    locked = _locked(delivery)
    if locked is not None:
        settle(locked, DeliveryState.DELIVERED, "")


@transaction.atomic
def note_missing(delivery: Delivery, answer: str) -> None:
    """Send a document again that a destination does not have, or reject it."""
    locked = _locked(delivery)
    if locked is None:
        return
    locked.missing += 1
    locked.answer, locked.confirmation = answer, None
    params: dict[str, Any] = {"answer": answer}
    if locked.missing >= MOST_MISSING:
        locked.save(update_fields=["missing", "confirmation"])
        settle(locked, DeliveryState.REJECTED, "not_kept", params)
        append(event_of(locked, Action.DELIVERY_REJECTED))
        return
    locked.state = DeliveryState.WAITING
    locked.reason_code, locked.reason_params = "missing_there", params
    locked.next_attempt_at = clock() + timedelta(seconds=pause_seconds(locked.missing))
    locked.save()


def _not_asked(delivery: Delivery, outcome: Outcome) -> None:
    if outcome.result == Result.AWAY or not _is_given_up(delivery, outcome):
        _look_again(delivery, outcome.code, outcome.params, _LOOK_AGAIN_SECONDS)


def _wait_for_report(delivery: Delivery, request: StorageRequest) -> None:
    seconds = REPORT_WITHIN.total_seconds()
    _look_again(delivery, "confirmation_waits", {}, seconds, request)


@transaction.atomic
def _is_given_up(delivery: Delivery, outcome: Outcome) -> bool:
    locked = _locked(delivery)
    if locked is None or locked.stored_at is None:
        return True
    if clock() - locked.stored_at <= GIVE_UP_AFTER:
        return False
    settle(locked, DeliveryState.REJECTED, outcome.code, outcome.params)
    append(event_of(locked, Action.DELIVERY_REJECTED))
    return True


@transaction.atomic
def _look_again(
    delivery: Delivery,
    code: str,
    params: dict[str, Any],
    seconds: float,
    request: StorageRequest | None = None,
) -> None:
    locked = _locked(delivery)
    if locked is None:
        return
    locked.reason_code, locked.reason_params, locked.confirmation = code, params, request
    locked.next_attempt_at = clock() + timedelta(seconds=seconds)
    locked.save()


def _locked(delivery: Delivery) -> Delivery | None:
    """Lock a delivery that is still to be confirmed."""
    stored = Delivery.objects.select_for_update(of=("self",)).filter(state=DeliveryState.STORED)
    return stored.select_related("destination", "document").filter(pk=delivery.pk).first()
