"""Linking orders and studies: by the accession number, and only if they are of the same patient.

Whichever arrives last, order or study, makes the link. Both lock their accession number, so that
neither misses the other when they arrive together. Locks are taken in this order: studies,
accession numbers (sorted), orders, head of the trail. Code locks an order only after its number.
Code that appends to the trail before it links locks the numbers first: see `lock_numbers`.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.inference import queue
from webportal.orders.models import Order, OrderedStudy
from webportal.orders.questions import ask_for
from webportal.records.identifiers import is_placeholder_identifier
from webportal.records.models import Patient, Study
from webportal.records.services import signed_among
from webportal.refusals import Conflict

#: Case record fields that an order fills in if they are empty.
BROUGHT = ("indication", "history", "referring_physician")


class OrderError(Conflict):
    """An order cannot be linked in this way; the message says why."""


def differences(order: Order, patient: Patient) -> list[str]:
    """The fields in which order and patient record differ: `patient_id`, `birth_date`.

    One of the order's identifiers must be exactly the Patient ID; issuers must agree if both exist.
    """
    unlike = []
    if patient.is_temporary or not any(_is_id_of(each, patient) for each in order.patient_ids):
        unlike.append("patient_id")
    if order.birth_date and patient.birth_date and order.birth_date != patient.birth_date:
        unlike.append("birth_date")
    return unlike


def names_patient(order: Order, patient_id: str) -> bool:
    """Whether an order is for the patient with this Patient ID, whatever its issuer."""
    is_known = patient_id and not is_placeholder_identifier(patient_id)
    return bool(is_known) and any(each["id"] == patient_id for each in order.patient_ids)


def same_person(these: Sequence[dict[str, str]], those: Sequence[dict[str, str]]) -> bool:
    """Whether two lists of identifiers share one, and so belong to the same patient.

    Identifiers of different issuers differ, even if their text is the same.
    """
    return any(
        one["id"] == other["id"] and len({one["issuer"], other["issuer"]} - {""}) < 2
        for one in these
        for other in those
    )


def _is_id_of(identifier: dict[str, str], patient: Patient) -> bool:
    issuers = {identifier["issuer"], patient.issuer} - {""}
    is_same = identifier["id"] == patient.patient_id and len(issuers) < 2
    return is_same and not is_placeholder_identifier(patient.patient_id)


def lock_numbers(accession_numbers: Iterable[str]) -> None:
    """Lock accession numbers until the transaction ends; all that it needs, in one call.

    Deferred foreign keys are checked first, as before the head of the trail is locked: the check
    of a new study waits for a transaction that completes its patient's record, and that one may be
    waiting for the study's number.
    """
    numbers = sorted({each for each in accession_numbers if each})
    if not numbers:
        return
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for number in numbers:
            key = f"order {number}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def lock_numbers_of(patient: Patient, *more: str) -> None:
    """Lock the accession numbers of a patient's studies (already locked), and `more`."""
    numbers = Study.objects.filter(patient=patient).values_list("accession_number", flat=True)
    lock_numbers([*numbers, *more])


def lock_studies_of(accession_numbers: Collection[str], *more: Study) -> None:
    """Lock the studies that orders with these numbers may change, and `more`, before the numbers.

    Code that saves a study, or links it manually, has locked it already.
    """
    studies = Study.objects.filter(
        Q(accession_number__in=accession_numbers)
        | Q(order_links__order__accession_number__in=accession_numbers)
    )
    _locked({*studies.values_list("pk", flat=True), *(study.pk for study in more)})


def of_number(study: Study) -> QuerySet[Order]:
    """The orders with a study's accession number that are not linked to it."""
    if not study.accession_number:
        return Order.objects.none()
    orders = Order.objects.filter(accession_number=study.accession_number)
    return orders.exclude(links__study=study).exclude(not_for__contains=[study.pk])


def link_study(study: Study) -> list[Event]:
    """Link a study, new or changed and locked, to its orders; return the audit events.

    If none is found, worklists are queried.
    """
    if not study.accession_number:
        return []
    lock_numbers([study.accession_number])
    events: list[Event] = []
    for order in of_number(study).select_for_update(of=("self",)):
        if not differences(order, study.patient):
            events += _link(order, study, None)
    ask_for(study)
    return events


def follow_order(order: Order, *, was_moved: bool = False) -> list[Event]:
    """Link an order, new or changed, to its studies and update them; return the audit events.

    Links that a person made stay unless the order was moved to another patient. The caller has
    locked the accession number and the order.
    """
    events: list[Event] = []
    studies = Study.objects.filter(accession_number=order.accession_number)
    linked = Study.objects.filter(order_links__order=order)
    keys = {*studies.values_list("pk", flat=True), *linked.values_list("pk", flat=True)}
    for study in _locked(keys):
        link = order.links.filter(study=study).first()
        agrees = not differences(order, study.patient)
        if link is None and agrees and study.pk not in order.not_for:
            events += _link(order, study, None)
        elif link is not None and (agrees or (link.linked_by_id and not was_moved)):
            events += _bring(link, order, study)
        elif link is not None:
            events += _unlink([link], study, "patient_differs")
    return events


def check_links(study: Study, *, was_moved: bool) -> list[Event]:
    """Unlink orders that are no longer for the study's patient, and find others.

    Links that a person made stay unless the study was moved to another patient.
    """
    links = OrderedStudy.objects.filter(study=study).select_related("order")
    withdrawn = [
        link
        for link in links.select_for_update(of=("self",))
        if differences(link.order, study.patient) and (was_moved or not link.linked_by_id)
    ]
    return [*_unlink(withdrawn, study, "patient_differs"), *link_study(study)]


@transaction.atomic
def link(order: Order, study: Study, by: User) -> None:
    """Link an order to a study at a person's request. Raises OrderError if they are linked."""
    study, order = _locked_both(study, order)
    if order.links.filter(study=study).exists():
        raise OrderError(_("The order is linked to this study already."))
    append_all(_link(order, study, by), by)


@transaction.atomic
def unlink(order: Order, study: Study, by: User) -> None:
    """Unlink an order from a study, or rule it out, at a person's request. Raises OrderError."""
    study, order = _locked_both(study, order)
    found = order.links.filter(study=study).first()
    if found is None and study.pk in order.not_for:
        raise OrderError(_("The order is not linked to this study."))
    if study.pk not in order.not_for:
        order.not_for = [*order.not_for, study.pk]
        order.save(update_fields=["not_for"])
    events = _unlink([found], study, "by_person") if found else [_left(order, study, "by_person")]
    append_all(events, by)


def _locked(keys: Iterable[Any]) -> list[Study]:
    """Lock studies; their patients are read after the wait, not before."""
    studies = Study.objects.filter(pk__in=keys).order_by("pk")
    list(studies.select_for_update(no_key=True).values_list("pk", flat=True))
    return list(studies.select_related("patient"))


def _locked_both(study: Study, order: Order) -> tuple[Study, Order]:
    [study] = _locked([study.pk])
    # An order's number never changes, so it may be read before the lock.
    lock_numbers([order.accession_number])
    return study, Order.objects.select_for_update(of=("self",)).get(pk=order.pk)


def _link(order: Order, study: Study, by: User | None) -> list[Event]:
    found = OrderedStudy.objects.create(order=order, study=study, linked_by=by)
    if study.pk in order.not_for:
        order.not_for = [each for each in order.not_for if each != study.pk]
        order.save(update_fields=["not_for"])
    detail: dict[str, Any] = {"differences": differences(order, study.patient)} if by else {}
    linked = Event(Action.ORDER_LINKED, "order", order.pk, study.pk, detail)
    return [linked, *_bring(found, order, study)]


def _unlink(links: Sequence[OrderedStudy], study: Study, why: str) -> list[Event]:
    """Remove links, and the values from their orders that nobody has changed or signed.

    Values of the study's other orders take their place.
    """
    for link in links:
        link.delete()
    events = [_left(link.order, study, why) for link in links]
    if signed_among(Study.objects.filter(pk=study.pk)):
        return events
    for link in links:
        brought = [name for name, text in link.brought.items() if getattr(study, name) == text]
        others = _brought_by_others(study, brought)
        values = {name: text for name, text in others.items() if text != getattr(study, name)}
        events += _write(study, values, link.order)
    return events


def _brought_by_others(study: Study, names: Collection[str]) -> dict[str, str]:
    """The linked orders' values for these fields, recorded as theirs; the first order counts."""
    values = dict.fromkeys(names, "")
    for link in OrderedStudy.objects.filter(study=study).select_related("order"):
        said = {name: getattr(link.order, name) for name in names if not values[name]}
        said = {name: text for name, text in said.items() if text}
        if said:
            values |= said
            link.brought |= said
            link.save(update_fields=["brought"])
    return values


def _left(order: Order, study: Study, why: str) -> Event:
    return Event(Action.ORDER_UNLINKED, "order", order.pk, study.pk, {"reason": why})


def _bring(link: OrderedStudy, order: Order, study: Study) -> list[Event]:
    """Write the order's values into the case record, except over a person's or a signed read's.

    Its priority can only make the study more urgent.
    """
    if signed_among(Study.objects.filter(pk=study.pk)):
        return []
    values: dict[str, Any] = {}
    for name in BROUGHT:
        written, said = getattr(study, name), getattr(order, name)
        if written != said and written in ("", link.brought.get(name, "")):
            values[name] = said
    kept = {name: text for name, text in link.brought.items() if name not in values}
    link.brought = kept | {name: text for name, text in values.items() if text}
    link.save(update_fields=["brought"])
    # Where this order no longer has a value, another may.
    others = _brought_by_others(study, [name for name, text in values.items() if not text])
    values |= others
    if not order.is_cancelled and order.priority < study.priority:
        values["priority"] = order.priority
    return _write(study, values, order)


def _write(study: Study, values: dict[str, Any], order: Order) -> list[Event]:
    if not values:
        return []
    detail: dict[str, Any] = {"fields": list(values), "order": str(order.pk)}
    if "priority" in values:
        detail |= {"previous_priority": study.priority, "priority": values["priority"]}
        queue.change_priority(study.pk, values["priority"], has_locked_study=True)
    for name, value in values.items():
        setattr(study, name, value)
    study.save(update_fields=list(values))
    return [Event(Action.STUDY_CHANGED, "study", study.pk, study.pk, detail)]
