"""Reading orders from ORM^O01, OMG^O19 and OMI^O23 messages, field by field."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from webportal.orders.hl7 import DELETED, Message, MessageError, Segment, moment, nth, zone_of
from webportal.orders.models import LONGEST_CONTROL_ID, AccessionIn, OrderStatus
from webportal.records.choices import Priority, Sex
from webportal.records.identifiers import identifier_fault, name_fault, several_values

MESSAGE_TYPES = {("ORM", "O01"), ("OMI", "O23"), ("OMG", "O19")}
VERSIONS = ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8")

#: ORC-1 (table 0119): codes that place, change and cancel an order.
NEW = ("NW",)
CHANGES = ("XO", "XX", "RP", "RO", "SC", "SN")
CANCELS = ("CA", "OC", "CR", "DC", "OD")
#: ORC-5 (table 0038) of an order that is no longer valid.
_CANCELLED_STATES = ("CA", "DC")

#: Tables 0027 and 0485 and their common spellings; everything else is routine.
PRIORITIES = {
    **dict.fromkeys(("S", "ST", "STAT"), Priority.STAT),
    **dict.fromkeys(("A", "ASAP", "U", "URGENT"), Priority.URGENT),
}
#: How far a sender's clock may be ahead, including a wrong time zone.
_AHEAD = timedelta(days=1)
_OF_AN_ORDER = {"OBR", "NTE", "TQ1", "IPC"}


@dataclass
class OrderContent:
    """What a message states about one order. A field that is empty there is not in `values`."""

    accession_number: str
    placer_number: str
    is_new: bool
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OrderMessageContent:
    """A message: its time (MSH-7), and the orders that it describes."""

    at: datetime
    orders: list[OrderContent]


def control_id_of(header: Segment) -> str:
    """MSH-10. Raises MessageError."""
    found = header.raw(10)
    if not 1 <= len(found) <= LONGEST_CONTROL_ID:
        raise MessageError("control_id", condition=101)
    return found


def check_header(header: Segment) -> None:
    """Raise MessageError unless it is an order, for production, in a supported version."""
    if (header.component(9), header.component(9, 2)) not in MESSAGE_TYPES:
        raise MessageError("message_type", answer="AR", condition=201)
    if header.component(11) != "P":
        raise MessageError("processing_id", answer="AR", condition=202)
    if not header.component(12).startswith(VERSIONS):
        raise MessageError("version", answer="AR", condition=203)


def read_orders(message: Message, accession_in: str) -> OrderMessageContent:
    """The orders of a message whose header was checked. Raises MessageError."""
    written = message.header.component(7)
    zone = zone_of(written)
    at = moment(written, zone)
    if at is None:
        raise MessageError("field_invalid" if written else "field_missing", field="MSH-7")
    if at > timezone.now() + _AHEAD:
        # If it were accepted, every later message about the order would have no effect.
        raise MessageError("field_invalid", field="MSH-7")
    patient = _patient(_only(message, "PID"))
    visits = [each for each in message.segments if each.name == "PV1"]
    referring = _referring(visits[0], 8) if visits else None
    groups = list(_groups(message))
    if not groups:
        raise MessageError("segment_missing", condition=100, segment="ORC")
    return OrderMessageContent(
        at, [_order(group, accession_in, patient, referring) for group in groups]
    )


def _only(message: Message, name: str) -> Segment:
    found = [each for each in message.segments if each.name == name]
    if not found:
        raise MessageError("segment_missing", condition=100, segment=name)
    if len(found) > 1:
        raise MessageError("segment_repeated", condition=100, segment=name)
    return found[0]


def _groups(message: Message) -> Iterator[list[Segment]]:
    """The segments of each order, starting with its ORC."""
    group: list[Segment] = []
    for each in message.segments:
        if each.name == "ORC" and group:
            yield group
            group = []
        if each.name == "ORC" or (group and each.name in _OF_AN_ORDER):
            group.append(each)
        elif each.name == "OBR":
            raise MessageError("segment_misplaced", condition=100, segment="OBR")
    if group:
        yield group


def _patient(segment: Segment) -> dict[str, Any]:
    """The patient in PID; PID-3 is kept as received, because it decides whose order it is."""
    identifiers = []
    both = zip(segment.repetitions(3), segment.repetitions(3, heads=True), strict=True)
    for each, heads in both:
        # The namespace is the first subcomponent of the assigning authority (HD).
        number, issuer, kind = nth(each, 1), nth(heads, 4), nth(each, 5)
        if not number or number == DELETED:
            continue
        check_identifier(number, "PID-3")
        if issuer:
            check_identifier(issuer, "PID-3.4")
        identifiers.append({"id": number, "issuer": issuer, "type": kind})
    if not identifiers:
        raise MessageError("field_missing", condition=101, field="PID-3")
    fields: dict[str, Any] = {"patient_ids": identifiers}
    names = segment.repetitions(5, heads=True)
    if names:
        fields["patient_name"] = _person(names[0], "PID-5")
    born = segment.component(7)
    if born:
        fields["birth_date"] = None if born == DELETED else _day(born)
    sex = segment.component(8)
    if sex:
        fields["sex"] = sex if sex in Sex.values else ""
    return fields


def _day(text: str) -> date:
    found = moment(text, zone_of(text)) if len(text) >= 8 else None
    if found is None:
        raise MessageError("field_invalid", field="PID-7")
    return found.date()


def _order(
    group: list[Segment], accession_in: str, patient: dict[str, Any], referring: str | None
) -> OrderContent:
    orc = group[0]
    requests = [each for each in group if each.name == "OBR"]
    procedures = [each for each in group if each.name == "IPC"]
    placer = _number(orc, requests, 2)
    filler = _number(orc, requests, 3)
    control, state = orc.component(1), orc.component(5)
    if control not in (*NEW, *CHANGES, *CANCELS):
        raise MessageError("order_control", answer="AR", condition=103)
    content = OrderContent(
        _accession(orc, requests, procedures, accession_in), placer, control in NEW, dict(patient)
    )
    if filler:
        content.values["filler_number"] = filler
    if control in CANCELS or state in _CANCELLED_STATES:
        content.values["status"] = OrderStatus.CANCELLED.value
    elif control in NEW:
        content.values["status"] = OrderStatus.ORDERED.value
    content.values |= _described(group, requests)
    content.values |= _priority(orc, requests, [each for each in group if each.name == "TQ1"])
    doctors = [referring, _referring(orc, 12), *(_referring(each, 16) for each in requests)]
    own = next((each for each in doctors if each is not None), None)
    if own is not None:
        content.values["referring_physician"] = own
    return content


def _number(orc: Segment, requests: list[Segment], position: int) -> str:
    """A placer or filler order number (EI), as received but with escapes resolved."""
    for each in (orc, *requests):
        found = "^".join(each.components(position)).rstrip("^")
        if found and found != DELETED:
            return found
    return ""


def _accession(
    orc: Segment, requests: list[Segment], procedures: list[Segment], accession_in: str
) -> str:
    """The accession number, from where the system puts it."""
    if accession_in == AccessionIn.IHE:
        name = "IPC-1, OBR-18"
        found = [each.component(1) for each in procedures] or [r.component(18) for r in requests]
    else:
        position = 2 if accession_in == AccessionIn.PLACER else 3
        name = f"ORC-{position}"
        found = [orc.component(position)]
        if not found[0]:
            found = [each.component(position) for each in requests]
    numbers = {each for each in found if each and each != DELETED}
    if not numbers:
        raise MessageError("field_missing", condition=101, field=name)
    if len(numbers) > 1:
        raise MessageError("several_accessions", field=name)
    [number] = numbers
    check_identifier(number, name)
    return number


def check_identifier(text: str, name: str) -> None:
    """Raise MessageError if the text in field `name` cannot be an identifier."""
    if identifier_fault(text) or several_values(text):
        raise MessageError("field_invalid", field=name)


def _described(group: list[Segment], requests: list[Segment]) -> dict[str, Any]:
    """Procedure, reason, clinical information and notes; several of each, one a line."""
    fields: dict[str, Any] = {}
    services = [each.components(4) for each in requests if each.raw(4)]
    if services:
        fields["procedure_code"] = _lines(nth(each, 1) for each in services)
        fields["procedure"] = _lines(nth(each, 2) or nth(each, 1) for each in services)
    reasons = [each for request in requests for each in request.repetitions(31)]
    if reasons:
        fields["indication"] = _lines(nth(each, 2) or nth(each, 1) for each in reasons)
    history = [request.text(13) for request in requests if request.raw(13)]
    if history:
        fields["history"] = _lines(history)
    notes = [each.text(3) for each in group if each.name == "NTE" and each.raw(3)]
    if notes:
        fields["notes"] = _lines(notes)
    return fields


def _lines(texts: Any) -> str:
    """The distinct texts, one a line; empty if they are deleted."""
    return "\n".join(dict.fromkeys(text for text in texts if text not in ("", DELETED)))


def _priority(orc: Segment, requests: list[Segment], times: list[Segment]) -> dict[str, Any]:
    """The most urgent of TQ1-9, ORC-7.6, OBR-27.6 and OBR-5."""
    codes = [each.component(9) for each in times]
    codes.append(orc.component(7, 6))
    for each in requests:
        codes += [each.component(27, 6), each.component(5)]
    codes = [code for code in codes if code and code != DELETED]
    if not codes:
        return {}
    code = min(codes, key=lambda each: PRIORITIES.get(each.upper(), Priority.ROUTINE))
    value = PRIORITIES.get(code.upper(), Priority.ROUTINE)
    return {"priority": int(value), "priority_code": code}


def _referring(segment: Segment, position: int) -> str | None:
    """A clinician's name (XCN) as written; None if the field is empty."""
    people = segment.repetitions(position, heads=True)
    if not people:
        return None
    if people[0][0] == DELETED:
        return ""
    family, given, middle, suffix, prefix = (nth(people[0], number) for number in range(2, 7))
    name = " ".join(filter(None, [prefix, given, middle, family, suffix]))
    if name_fault(name):
        raise MessageError("field_invalid", field=f"{segment.name}-{position}")
    return name or None


def _person(parts: list[str], name: str) -> str:
    """A person's name (XPN) as a DICOM person name, which swaps prefix and suffix."""
    if parts[:1] == [DELETED]:
        return ""
    family, given, middle, suffix, prefix = (nth(parts, number) for number in range(1, 6))
    written = "^".join([family, given, middle, prefix, suffix]).rstrip("^")
    if name_fault(written):
        raise MessageError("field_invalid", field=name)
    return written
