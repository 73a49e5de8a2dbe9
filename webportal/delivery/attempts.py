"""Delivery attempts and their records.

If the process is killed between the response and its record, the document is sent again with the
same UID and the same bytes, so that the destination does not store it twice.
"""

import logging
import traceback
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.backoff import pause_seconds
from webportal.database.clock import clock
from webportal.delivery.making import make
from webportal.delivery.models import (
    RETRACTIONS,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.delivery.release import NotNowError, ObsoleteError, check
from webportal.delivery.retractions import record_if_moved
from webportal.delivery.senders.outcome import Sender, SendOutcome, SendResult, of_error
from webportal.inference.summary import lock_studies
from webportal.records.files import StoredFileError
from webportal.review.reads.codes import UnknownFindingError

logger = logging.getLogger(__name__)

# The longest wait that a destination can ask for.
LONGEST_WAIT_SECONDS = 3600.0
# A doubtful rejection stands once it has been repeated for most of an hour, and so does it that a
# document cannot be made: until then an upgrade may end that brings what is missing.
MOST_REFUSALS = 12
# About a day: hospital IT is alerted of the file meanwhile, or of the storage.
MOST_UNREADABLE = 160
# What the reason becomes once nothing is retried any more.
_IN_THE_END = {"internal": "not_sent", "file_away": "file_stays_away"}
_LOOK_AGAIN_SECONDS = 60.0
_DELAY_NOTHING = {DocumentKind.RETRACTION, DocumentKind.PRESENTATION, DocumentKind.CAPTURE}
#: How long after a document was sent a PACS is asked to confirm it.
CONFIRM_AFTER_SECONDS = 2.0


def due(destination: Destination) -> QuerySet[Delivery]:
    """The deliveries that may be sent to a destination now, oldest first.

    Deliveries of the same study keep the order of the outbox. Those of a content that the
    destination is no longer sent delay no others. A retraction waits only for earlier ones: what
    waits for a reader would hold it up for days, and is never sent for the former patient. By DICOM
    it delays nothing: a PACS that takes no rejection notes would get the right report an hour late.
    Nor does a presentation state, which many a PACS takes none of, or a heat map, so that neither
    holds up a read.
    """
    now = clock()
    waiting = Delivery.objects.filter(destination=destination, state=DeliveryState.WAITING)
    in_order = set(DocumentKind) - _DELAY_NOTHING
    chosen = [kind for kind in in_order if kind.is_among(destination.sends)]
    earlier = waiting.filter(
        document__kind__in=chosen,
        document__study=OuterRef("document__study"),
        created_at__lt=OuterRef("created_at"),
    )
    is_retraction = Q(document__kind__in=RETRACTIONS)
    is_next = ~Exists(earlier) | is_retraction & ~Exists(earlier.filter(is_retraction))
    return waiting.filter(is_next, next_attempt_at__lte=now).order_by("created_at", "id")


def is_open(destination: Destination) -> bool:
    """Whether the destination is in use: not removed, paused or unreachable."""
    now = clock()
    open_ones = Destination.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now), removed_at=None, is_paused=False
    )
    return open_ones.filter(pk=destination.pk).exists()


def attempt(delivery: Delivery, sender: Sender) -> SendOutcome | None:
    """Send a delivery if it may be sent; record and return the outcome."""
    prepared = _prepare(delivery)
    if prepared is None:
        return None
    try:
        outcome = sender.send(prepared)
    except Exception as error:
        _log("A delivery failed unexpectedly", error)
        outcome = of_error(error)
    record_if_moved(prepared.document)
    _record(prepared, outcome)
    return outcome


@transaction.atomic
def _prepare(delivery: Delivery) -> Delivery | None:
    """Lock a delivery, check that it may be sent, and create its document; None if it may not.

    The document is locked, too: otherwise two destinations could get different ones of one UID.
    Before it the study of a result: one that is being re-evaluated would leave with the
    former cautions, and seem to be made after that.
    """
    of_result = Document.objects.filter(deliveries=delivery, prediction__isnull=False)
    lock_studies(list(of_result.values_list("study", flat=True)))
    locked = (
        Delivery.objects.select_for_update(of=("self", "document"))
        .select_related("destination", "document__study__patient", "document__read__reader")
        .select_related("document__addendum", "document__prediction__model_version")
        .select_related("document__prediction__radiograph__study__patient")
        .filter(pk=delivery.pk, state=DeliveryState.WAITING)
        .first()
    )
    if locked is None:
        return None
    try:
        check(locked.document, locked.destination)
        make(locked.document, locked.destination)
    except ObsoleteError as error:
        settle(locked, DeliveryState.CANCELLED, error.code)
        return None
    except NotNowError as error:
        _postpone(locked, error.code, _LOOK_AGAIN_SECONDS)
        return None
    except StoredFileError:
        _refuse(locked, "file_away", {}, MOST_UNREADABLE)
        return None
    except UnknownFindingError as error:
        _refuse(locked, "finding_unknown", {"finding": error.name})
        return None
    except Exception as error:
        # An error in one document must not stop the others.
        _log("A document cannot be made", error)
        _refuse(locked, "not_made", {"error": type(error).__name__})
        return None
    if locked.reason_code == "file_away":
        # Far more of these are borne than refusals of the destination, which begin only now.
        locked.refusals = 0
    locked.attempts += 1
    locked.attempted_at = clock()
    locked.save(update_fields=["attempts", "attempted_at", "refusals"])
    return locked


@transaction.atomic
def _record(delivery: Delivery, outcome: SendOutcome) -> None:
    Delivery.objects.select_for_update().get(pk=delivery.pk)
    delivery.answer = outcome.answer[:200]
    record_reached(delivery.destination, outcome)
    if outcome.result == SendResult.AWAY:
        _postpone(delivery, outcome.code, 0, outcome.params)
        return
    if outcome.result == SendResult.AGAIN:
        _postpone(delivery, outcome.code, pause_seconds(delivery.attempts), outcome.params)
        return
    if outcome.result == SendResult.DOUBTFUL:
        _refuse(delivery, outcome.code, outcome.params)
        return
    if outcome.result == SendResult.REJECTED:
        _reject(delivery, outcome.code, outcome.params)
        return
    if delivery.destination.confirms:
        record_stored(delivery)
        return
    settle(delivery, DeliveryState.DELIVERED, outcome.code, outcome.params)
    append(event_of(delivery, Action.DELIVERY_SENT))


def _refuse(
    delivery: Delivery, code: str, params: dict[str, object], most: int = MOST_REFUSALS
) -> None:
    """Reject a delivery once it has failed so often in a row; until then try again."""
    if delivery.refusals + 1 >= most:
        _reject(delivery, _IN_THE_END.get(code, code), params)
        return
    delivery.refusals += 1
    waiting_code = "busy" if code == "rejected_by_destination" else code
    _postpone(delivery, waiting_code, pause_seconds(delivery.refusals), params)


def _reject(delivery: Delivery, code: str, params: dict[str, object]) -> None:
    settle(delivery, DeliveryState.REJECTED, code, params)
    append(event_of(delivery, Action.DELIVERY_REJECTED))


@transaction.atomic
def record_reached(to: Destination, outcome: SendOutcome | None = None) -> None:
    """Record that a destination was reached, or by its outcome that it is away, and until when."""
    destination = Destination.objects.filter(pk=to.pk)
    if outcome is None or outcome.result != SendResult.AWAY:
        destination.filter(failures__gt=0).update(failures=0, retry_at=None, away_since=None)
        return
    destination.update(
        failures=F("failures") + 1, away_since=Coalesce("away_since", Value(clock()))
    )
    failures = destination.values_list("failures", flat=True).get()
    asked = min(outcome.wait_seconds, LONGEST_WAIT_SECONDS)
    pause = max(pause_seconds(failures), asked)
    destination.update(retry_at=clock() + timedelta(seconds=pause))


def record_stored(delivery: Delivery) -> None:
    """Record that a destination has accepted a document, which it has yet to confirm."""
    now = clock()
    delivery.state, delivery.stored_at, delivery.confirmation = DeliveryState.STORED, now, None
    delivery.next_attempt_at = now + timedelta(seconds=CONFIRM_AFTER_SECONDS)
    delivery.reason_code, delivery.reason_params = "", {}
    delivery.save()
    append(event_of(delivery, Action.DELIVERY_SENT))


def event_of(delivery: Delivery, action: Action) -> Event:
    """The audit event of a delivery."""
    document = delivery.document
    return Event(
        action,
        "delivery",
        delivery.pk,
        document.study_id,
        {
            "destination": delivery.destination.name,
            "address": delivery.destination.address,
            "kind": document.kind,
            "sop_instance_uid": document.sop_instance_uid,
            "sha256": document.sha256,
            "answer": delivery.answer,
        },
    )


def settle(
    delivery: Delivery, state: DeliveryState, code: str, params: dict[str, object] | None = None
) -> None:
    """Set the final state of a delivery, with the reason."""
    delivery.state, delivery.settled_at = state, clock()
    delivery.reason_code, delivery.reason_params = code, params or {}
    fields = ["state", "settled_at", "reason_code", "reason_params", "answer"]
    delivery.save(update_fields=fields)


def _postpone(
    delivery: Delivery, code: str, seconds: float, params: dict[str, object] | None = None
) -> None:
    delivery.reason_code, delivery.reason_params = code, params or {}
    delivery.next_attempt_at = clock() + timedelta(seconds=seconds)
    fields = ["reason_code", "reason_params", "next_attempt_at", "answer", "refusals"]
    delivery.save(update_fields=fields)


def _log(words: str, error: Exception) -> None:
    """Log where an error was raised, but not its message, which may quote the patient."""
    *_rest, last = traceback.extract_tb(error.__traceback__)
    logger.error("%s: %s in %s:%s", words, type(error).__name__, last.filename, last.lineno)
