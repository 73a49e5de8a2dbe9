"""Confirmation: deliveries count as delivered once the destination has confirmed storing them.

A successful C-STORE means that the PACS has accepted an instance, not that it keeps it. A missing
document is sent again, and rejected once it has been missing too often. The PACS is asked by
`webportal.network.commitment_scu`.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from webportal.audit.models import Action
from webportal.audit.trail import append
from webportal.backoff import pause_seconds
from webportal.database.clock import clock
from webportal.delivery.attempts import event_of, record_reached, settle
from webportal.delivery.models import Delivery, DeliveryState, Destination, Protocol
from webportal.delivery.senders.outcome import NO_ANSWER, Sender, SendOutcome, SendResult, of_error
from webportal.network.commitment_scu import MOST_AT_ONCE
from webportal.network.models import StorageRequest, StorageRequestState

logger = logging.getLogger(__name__)

#: How often a document may be missing before it is rejected.
MOST_MISSING = 3
#: A document that has not been confirmed after this time is rejected.
GIVE_UP_AFTER = timedelta(days=1)
NO_REPORT = SendOutcome(SendResult.AGAIN, "not_confirmed")
NOT_ASKED = SendOutcome(SendResult.AGAIN, "not_asked")
NEVER_ASKED = SendOutcome(SendResult.AGAIN, "never_asked")
_LOOK_AGAIN_SECONDS = 60.0
#: Commitment is requested again if no report has arrived after this time.
REPORT_WITHIN = timedelta(minutes=30)


def to_confirm(destination: Destination) -> QuerySet[Delivery]:
    """The deliveries to confirm now, or that a destination has reported on, oldest first."""
    stored = Delivery.objects.filter(destination=destination, state=DeliveryState.STORED)
    is_reported = Q(confirmation__state=StorageRequestState.REPORTED)
    return stored.filter(is_reported | Q(next_attempt_at__lte=clock())).order_by("created_at", "id")


def confirm(destination: Destination, sender: Sender) -> None:
    """Settle the deliveries that a destination has reported on; request the others that are due.

    Once a destination no longer has to confirm, deliveries already stored there count as delivered.
    """
    found = to_confirm(destination).select_related("destination", "document__study", "confirmation")
    chosen = list(found[:MOST_AT_ONCE])
    late = _committed_late(destination, chosen)
    due = [each for each in chosen if not _is_settled(each, late)]
    if not destination.confirms:
        for delivery in due:
            _settle_unconfirmed(delivery)
        return
    if not due:
        return
    try:
        answer = sender.confirm(due)
    except Exception as error:
        logger.error("A destination cannot be asked what it has: %s", type(error).__name__)
        answer = of_error(error)
    record_reached(destination, answer if isinstance(answer, SendOutcome) else None)
    for delivery in due:
        instance = delivery.document.sop_instance_uid
        if isinstance(answer, SendOutcome):
            _not_asked(delivery, answer)
        elif instance in answer.present:
            record_confirmed(delivery)
        elif instance in answer.missing:
            record_missing(delivery, answer.missing[instance])
        elif answer.request is not None:
            _wait_for_report(delivery, answer.request)
        else:
            _not_asked(delivery, NO_ANSWER)


def _committed_late(destination: Destination, chosen: Sequence[Delivery]) -> dict[str, datetime]:
    """When commitment was requested for the instances that were committed, by SOP Instance UID.

    A PACS may report hours later, after another request.
    """
    since = min((each.stored_at for each in chosen if each.stored_at), default=None)
    if since is None or destination.protocol != Protocol.DICOM:
        return {}
    reported = StorageRequest.objects.filter(
        ae_title=destination.ae_title, state=StorageRequestState.REPORTED, asked_at__gte=since
    )
    return {
        instance: request.asked_at
        for request in reported.order_by("asked_at")
        for instance in request.committed
        if instance not in request.failed
    }


def _is_settled(delivery: Delivery, late: Mapping[str, datetime]) -> bool:
    """Settle a delivery that was reported on, or can no longer be; return whether it was."""
    request = delivery.confirmation
    instance = delivery.document.sop_instance_uid
    if request is None or request.state == StorageRequestState.WAITING:
        asked_at = late.get(instance)
        if asked_at and delivery.stored_at and asked_at >= delivery.stored_at:
            record_confirmed(delivery)
            return True
        return request is not None and _is_given_up(delivery, NO_REPORT)
    if instance in request.committed and instance not in request.failed:
        record_confirmed(delivery)
    else:
        reason = request.failed.get(instance)
        record_missing(delivery, "?" if reason is None else f"0x{reason:04X}")
    return True


@transaction.atomic
def record_confirmed(delivery: Delivery) -> None:
    """Record that a destination keeps a document."""
    locked = _locked(delivery)
    if locked is None:
        return
    settle(locked, DeliveryState.DELIVERED, "")
    append(event_of(locked, Action.DELIVERY_CONFIRMED))


@transaction.atomic
def _settle_unconfirmed(delivery: Delivery) -> None:
    locked = _locked(delivery)
    if locked is not None:
        settle(locked, DeliveryState.DELIVERED, "")


@transaction.atomic
def record_missing(delivery: Delivery, answer: str) -> None:
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


def _not_asked(delivery: Delivery, outcome: SendOutcome) -> None:
    # The words for an attempt say that it is sent again, which it is not.
    is_named = outcome.result == SendResult.AWAY or outcome.code == "commitment_not_offered"
    known = outcome if is_named and outcome.code != "not_reached" else None
    if outcome.result == SendResult.AWAY or not _is_given_up(delivery, known or NEVER_ASKED):
        look = known or NOT_ASKED
        _look_again(delivery, look.code, look.params, _LOOK_AGAIN_SECONDS)


def _wait_for_report(delivery: Delivery, request: StorageRequest) -> None:
    seconds = REPORT_WITHIN.total_seconds()
    _look_again(delivery, "confirmation_waits", {}, seconds, request)


@transaction.atomic
def _is_given_up(delivery: Delivery, outcome: SendOutcome) -> bool:
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
