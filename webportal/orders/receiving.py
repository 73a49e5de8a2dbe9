"""Processing a message: its orders, their studies, the trail and its answer in one transaction.

The value of a field is the one that was written last (MSH-7), in whatever order messages arrive.
Of messages of the same time, one that changes an order goes before one that places it.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.orders import hl7, reading
from webportal.orders.linking import (
    follow_order,
    lock_numbers,
    lock_studies_of,
    same_person,
)
from webportal.orders.models import (
    LONGEST_CONTROL_ID,
    Order,
    OrderMessage,
    OrderSource,
    OrderStatus,
    SourceKind,
)
from webportal.orders.reading import OrderContent
from webportal.reasons import NO_REASON, Reason
from webportal.records.models import Study

ACCEPTED, ERROR, REJECTED = "AA", "AE", "AR"
_SENDER = "CHESTLINE"
#: What an order says of its patient, as it is while nothing is said.
_OF_PATIENT: dict[str, Any] = {
    **dict.fromkeys(("patient_name", "sex", "indication", "history", "notes"), ""),
    "birth_date": None,
    "referring_physician": "",
}


def receive(source: OrderSource, data: bytes) -> bytes:
    """Process a message and return its acknowledgement.

    Once this returns with AA, the order is committed; what is not accepted changes nothing. Raises
    database errors, upon which nothing is committed.
    """
    header = hl7.header_of(data)
    try:
        accept(source, data, header)
    except hl7.MessageError as error:
        _record(source, header, _fingerprint(data), error.answer, error.reason)
        return answer(header, error.answer, error.reason, error.condition)
    return answer(header, ACCEPTED)


def answer(
    header: hl7.Segment | None, code: str, reason: Reason = NO_REASON, condition: int = 0
) -> bytes:
    """The acknowledgement of a message with this header."""
    now = timezone.localtime()
    return hl7.acknowledgement(
        header,
        code,
        reason,
        condition,
        control_id=now.strftime("%Y%m%d%H%M%S%f"),
        sender=_SENDER,
        moment=lambda: now.strftime("%Y%m%d%H%M%S%z"),
    )


@transaction.atomic
def accept(source: OrderSource, data: bytes, header: hl7.Segment | None) -> None:
    """Follow a message, once. Raises MessageError, and then has changed nothing."""
    if header is None:
        raise hl7.MessageError("message_unreadable", condition=100, line=1)
    # PostgreSQL stores none, not even in the record of the message.
    if b"\0" in data:
        raise hl7.MessageError("characters")
    control_id = reading.control_id_of(header)
    reading.check_header(header)
    _lock_message(source, control_id)
    sha256 = _fingerprint(data)
    earlier = OrderMessage.objects.filter(source=source, control_id=control_id, answer=ACCEPTED)
    known = earlier.first()
    if known is not None:
        if known.sha256 != sha256:
            raise hl7.MessageError("control_id_reused", condition=205)
        again = {"times_received": F("times_received") + 1, "received_at": timezone.now()}
        OrderMessage.objects.filter(pk=known.pk).update(**again)
        return
    message = hl7.read(data, source.character_set)
    read = reading.read_orders(message, source.accession_in)
    events = follow(source, read.orders, read.at)
    _record(source, header, sha256, ACCEPTED, NO_REASON, len(read.orders))
    # Last, because the end of the trail stays locked until the transaction ends.
    append_all(events, source.account)


def follow(
    source: OrderSource, orders: Sequence[OrderContent], at: datetime, *studies: Study
) -> list[Event]:
    """Follow what a system says of orders, written at a time; return what to audit.

    Locks their studies and `studies`. Raises MessageError if one of them cannot be followed.
    """
    numbers = {each.accession_number for each in orders}
    lock_studies_of(numbers, *studies)
    lock_numbers(numbers)
    return [event for content in orders for event in _follow(source, content, at)]


def _follow(source: OrderSource, content: OrderContent, at: datetime) -> list[Event]:
    if _is_kept_by_hl7(source, content):
        return []
    order = _found(source, content) or _to_be_taken_over(source, content)
    is_new = order is None
    if order is None:
        order = Order(
            source=source,
            accession_number=content.accession_number,
            placer_number=content.placer_number,
            changed_at=timezone.now(),
        )
    before = described(order)
    if order.source_id != source.pk:
        # Whatever this system says is later than what the worklist said.
        order.source, order.said_at = source, {}
    order.placer_number = order.placer_number or content.placer_number
    _apply(order, content, at)
    after = described(order)
    changed = [name for name in after if after[name] != before[name]]
    if changed:
        order.changed_at = timezone.now()
    order.save()
    if is_new:
        made = {"source": source.name, "status": order.status, "priority": order.priority}
        event = Event(Action.ORDER_RECEIVED, "order", order.pk, detail=made)
        return [event, *follow_order(order)]
    if not changed:
        return []
    detail = {name: {"from": before[name], "to": after[name]} for name in changed}
    cancels = "status" in changed and order.status == OrderStatus.CANCELLED
    action = Action.ORDER_CANCELLED if cancels else Action.ORDER_CHANGED
    was_moved = not same_person(order.patient_ids, before["patient_ids"])
    event = Event(action, "order", order.pk, detail=detail)
    return [event, *follow_order(order, was_moved=was_moved)]


def _found(source: OrderSource, content: OrderContent) -> Order | None:
    """The order that a message speaks of, locked: by accession number and placer's number."""
    orders = _of_number(content).filter(source=source)
    known = list(orders.select_for_update(of=("self",)).order_by("pk"))
    exact = [each for each in known if each.placer_number == content.placer_number]
    if exact:
        return exact[0]
    if content.placer_number:
        unnumbered = [each for each in known if not each.placer_number]
        if unnumbered:
            return unnumbered[0]
        return None
    if len(known) > 1:
        raise hl7.MessageError("order_ambiguous", condition=205)
    return known[0] if known else None


def _to_be_taken_over(source: OrderSource, content: OrderContent) -> Order | None:
    """The order as a worklist told of it, locked: from now on an HL7 system speaks for it."""
    if source.kind == SourceKind.WORKLIST:
        return None
    known = _of_number(content).filter(source__kind=SourceKind.WORKLIST)
    orders = known.select_for_update(of=("self",)).order_by("pk")
    same = [each for each in orders if _is_same(each, content)]
    return same[0] if len(same) == 1 else None


def _is_kept_by_hl7(source: OrderSource, content: OrderContent) -> bool:
    """Whether a worklist tells of an order of which an HL7 system speaks."""
    known = _of_number(content).filter(source__kind=SourceKind.HL7)
    return source.kind == SourceKind.WORKLIST and any(_is_same(each, content) for each in known)


def _of_number(content: OrderContent) -> QuerySet[Order]:
    orders = Order.objects.filter(accession_number=content.accession_number)
    return orders.select_related("source")


def _is_same(order: Order, content: OrderContent) -> bool:
    """Whether two systems speak of the same order, of the same number."""
    placers = {order.placer_number, content.placer_number} - {""}
    return len(placers) < 2 and same_person(order.patient_ids, content.values["patient_ids"])


def _apply(order: Order, content: OrderContent, at: datetime) -> None:
    """Set the values that were written last.

    What was said of one patient is never said of another: an order that is moved loses what the
    message which moves it does not repeat, and an older message about the former patient changes
    nothing of it.
    """
    written = [at.astimezone(UTC).isoformat(), int(not content.is_new)]
    values = content.values
    whose = values.get("patient_ids", order.patient_ids)
    if order.patient_ids and not same_person(order.patient_ids, whose):
        if _rank(written) < _rank(order.said_at["patient_ids"]):
            values = {name: value for name, value in values.items() if name not in _OF_PATIENT}
        else:
            values = _OF_PATIENT | values
    for name, value in values.items():
        before = order.said_at.get(name)
        # Nothing undoes a later message, and nothing of the same time what changed an order.
        if before is not None and _rank(written) < _rank(before):
            continue
        # An order for somebody else has to be looked at again.
        if name == "patient_ids" and order.patient_ids != value:
            order.not_for = []
        setattr(order, name, value)
        order.said_at[name] = written


def _rank(written: list[Any]) -> tuple[datetime, int]:
    return datetime.fromisoformat(written[0]), written[1]


def described(order: Order) -> dict[str, Any]:
    """What an order says, as plain JSON: for the trail."""
    names = (
        *("placer_number", "filler_number", "status", "patient_ids", "patient_name"),
        *("birth_date", "sex", "procedure_code", "procedure", "indication", "history", "notes"),
        *("referring_physician", "priority", "priority_code"),
    )
    values = {name: getattr(order, name) for name in names}
    born = order.birth_date
    return values | {
        "birth_date": born.isoformat() if born else None,
        "source": order.source.name,
    }


def _record(
    source: OrderSource,
    header: hl7.Segment | None,
    sha256: str,
    code: str,
    reason: Reason,
    orders: int = 0,
) -> None:
    """Record a message and its answer, for hospital IT."""
    control_id, kind = (header.raw(10), header.raw(9)) if header else ("", "")
    if len(control_id) > LONGEST_CONTROL_ID or "\0" in control_id:
        control_id = ""
    now = timezone.now()
    values = {
        "kind": kind.replace("\0", "")[:40],
        "answer": code,
        "orders": orders,
        "received_at": now,
        "reason_code": reason.code,
        "reason_params": dict(reason.params),
    }
    OrderMessage.objects.update_or_create(
        source=source,
        control_id=control_id,
        sha256=sha256,
        defaults=values | {"times_received": F("times_received") + 1},
        create_defaults=values,
    )


def _fingerprint(data: bytes) -> str:
    """The SHA-256 of a message without its header."""
    body = re.split(rb"[\r\n]+", data, maxsplit=1)[1:]
    return hashlib.sha256(b"".join(body)).hexdigest()


def _lock_message(source: OrderSource, control_id: str) -> None:
    """Lock a control ID until the transaction ends, so that it is followed once."""
    with connection.cursor() as cursor:
        key = f"message {source.pk} {control_id}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def unavailable(header: hl7.Segment | None) -> bytes:
    """The acknowledgement while nothing can be stored: the sender has to send again."""
    return answer(header, REJECTED, Reason("not_now"), 207)


def too_long(data: bytes) -> bytes:
    """The acknowledgement of a message that is too long, by what has arrived of it."""
    return answer(hl7.header_of(data), REJECTED, Reason("message_too_long"), 207)
