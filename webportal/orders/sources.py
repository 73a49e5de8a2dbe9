"""Adding and changing the systems that orders come from, and finding senders by their addresses."""

from collections.abc import Collection, Iterable

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from webportal.accounts import services as accounts
from webportal.accounts.departments import only_department
from webportal.accounts.models import Department, User
from webportal.addresses import is_among, overlap, read_addresses
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.rows import count_occurrence
from webportal.orders.models import (
    AccessionIn,
    CharacterSet,
    OrderSource,
    RejectedSender,
    SourceKind,
)
from webportal.refusals import Conflict

_KEPT = 20
_LOCK = 0x6F7264657273  # "orders"


class SourceError(Conflict):
    """A system cannot be added or changed like this; the message says why and what to do."""


@transaction.atomic
def create_source(
    name: str,
    addresses: Collection[str],
    by: User,
    *,
    departments: Iterable[Department] = (),
    accession_in: str = AccessionIn.IHE,
    character_set: str = CharacterSet.ASCII,
) -> OrderSource:
    """Add a system with its account. Raises SourceError, and AddressError for an address."""
    places, seen_by = read_addresses(addresses), _departments(departments)
    _refuse_taken(places)
    try:
        with transaction.atomic():
            source = OrderSource.objects.create(
                name=name,
                addresses=places,
                accession_in=accession_in,
                character_set=character_set,
                account=accounts.create_order_account(name, by),
                created_by=by,
            )
    except IntegrityError:
        raise SourceError(_("There is already a system with this name.")) from None
    source.departments.set(seen_by)
    append(
        Event(Action.ORDER_SOURCE_CREATED, "order_source", source.pk, detail=_settings_of(source)),
        by,
    )
    return source


@transaction.atomic
def change_source(
    source: OrderSource,
    *,
    addresses: Collection[str],
    is_active: bool,
    by: User,
    departments: Iterable[Department] = (),
    accession_in: str = AccessionIn.IHE,
    character_set: str = CharacterSet.ASCII,
) -> OrderSource:
    """Change a system; its name stays. Raises SourceError and AddressError."""
    locked = OrderSource.objects.select_for_update().get(pk=source.pk)
    before, seen_by = _settings_of(locked), _departments(departments)
    locked.addresses, locked.is_active = read_addresses(addresses), is_active
    locked.accession_in, locked.character_set = accession_in, character_set
    if is_active:
        _refuse_taken(locked.addresses, locked)
    locked.save()
    locked.departments.set(seen_by)
    _record_change(locked, before, by)
    return locked


@transaction.atomic
def create_worklist(ae_title: str, account: User, department: Department, by: User) -> OrderSource:
    """Have a DICOM node, with its account, asked for orders. Raises SourceError.

    People of the department see an order that is for another patient than the study's.
    """
    try:
        with transaction.atomic():
            source = OrderSource.objects.create(
                name=ae_title,
                kind=SourceKind.WORKLIST,
                addresses=[],
                account=account,
                created_by=by,
            )
    except IntegrityError:
        raise SourceError(
            _("A system that sends orders already has this name. Rename that one first.")
        ) from None
    source.departments.set([department])
    detail = _settings_of(source)
    append(Event(Action.ORDER_SOURCE_CREATED, "order_source", source.pk, detail=detail), by)
    return source


@transaction.atomic
def change_worklist(
    source: OrderSource, *, is_active: bool, department: Department, by: User
) -> None:
    """Ask a worklist again, or no longer, or for another department."""
    locked = OrderSource.objects.select_for_update().get(pk=source.pk)
    before = _settings_of(locked)
    locked.is_active = is_active
    locked.failures, locked.retry_at, locked.away_since = 0, None, None
    locked.save()
    locked.departments.set([department])
    _record_change(locked, before, by)


def _record_change(source: OrderSource, before: dict[str, object], by: User) -> None:
    after = _settings_of(source)
    detail = {
        name: {"from": before[name], "to": value}
        for name, value in after.items()
        if before[name] != value
    }
    if detail:
        append(Event(Action.ORDER_SOURCE_CHANGED, "order_source", source.pk, detail=detail), by)


def senders() -> QuerySet[OrderSource]:
    """The systems that send orders by HL7."""
    return OrderSource.objects.filter(kind=SourceKind.HL7)


def source_at(address: str) -> OrderSource | None:
    """The system that may send from an address; None if none may."""
    sources = senders().filter(is_active=True).select_related("account")
    return next((each for each in sources if is_among(address, each.addresses)), None)


def record_rejected(address: str) -> None:
    """Record an unknown caller for hospital IT's page; the oldest ones are dropped."""
    count_occurrence(RejectedSender, _KEPT, address=address)


def _departments(given: Iterable[Department]) -> list[Department]:
    only = only_department()
    found = list(given) or ([only] if only else [])
    if not found:
        raise SourceError(_("Choose the departments whose members may see its orders."))
    return found


def _refuse_taken(addresses: list[str], source: OrderSource | None = None) -> None:
    """A message is its sender's by the address alone, so that no two may share one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    for other in senders().filter(is_active=True):
        if (source is None or other.pk != source.pk) and overlap(addresses, other.addresses):
            raise SourceError(
                _("{name} sends from one of these addresses already.").format(name=other)
            )


def _settings_of(source: OrderSource) -> dict[str, object]:
    return {
        "name": source.name,
        "kind": source.kind,
        "addresses": source.addresses,
        "departments": sorted(str(each.pk) for each in source.departments.all()),
        "accession_in": source.accession_in,
        "character_set": source.character_set,
        "active": source.is_active,
    }
