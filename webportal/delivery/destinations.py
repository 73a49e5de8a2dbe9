"""Adds, changes, pauses, tests and removes destinations, with the audit entries."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from webportal.accounts.encryption import encrypt
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.delivery.models import UNSETTLED, Delivery, DeliveryState, Destination
from webportal.delivery.senders import sender_for
from webportal.delivery.senders.outcome import SendOutcome, SendResult, of_error
from webportal.refusals import Conflict

#: Fields of a destination that users edit.
EDITABLE = (
    "name",
    "ae_title",
    "host",
    "port",
    "uses_tls",
    "certificate_name",
    "url",
    "sends",
    "results_when",
    "confirms",
)


class DestinationError(Conflict):
    """A destination cannot be added or changed this way; the message says why and what to do."""


@transaction.atomic
def create_destination(protocol: str, values: Mapping[str, Any], by: User) -> Destination:
    """Add a destination, which gets reads signed from now on. Raises DestinationError."""
    made = Destination(protocol=protocol, looked_until=clock(), created_by=by)
    _set(made, values)
    _save(made)
    detail = {"protocol": protocol} | _settings_of(made)
    append(Event(Action.DESTINATION_CREATED, "destination", made.pk, detail=detail), by)
    return made


@transaction.atomic
def change_destination(destination: Destination, values: Mapping[str, Any], by: User) -> None:
    """Change a destination; pending deliveries go to the new address. Raises DestinationError."""
    locked = _locked(destination)
    before = _settings_of(locked)
    _set(locked, values)
    after = _settings_of(locked)
    if after == before:
        return
    locked.failures, locked.retry_at, locked.away_since = 0, None, None
    _save(locked)
    detail = {
        name: {"from": before[name], "to": value}
        for name, value in after.items()
        if before[name] != value
    }
    append(Event(Action.DESTINATION_CHANGED, "destination", locked.pk, detail=detail), by)


@transaction.atomic
def pause(destination: Destination, is_paused: bool, by: User) -> None:
    """Pause or resume a destination; deliveries queue up while it is paused."""
    locked = _locked(destination)
    if locked.is_paused == is_paused:
        return
    locked.is_paused = is_paused
    locked.failures, locked.retry_at, locked.away_since = 0, None, None
    locked.save(update_fields=["is_paused", "failures", "retry_at", "away_since"])
    detail = {"paused": {"from": not is_paused, "to": is_paused}}
    append(Event(Action.DESTINATION_CHANGED, "destination", locked.pk, detail=detail), by)


@transaction.atomic
def remove(destination: Destination, by: User) -> int:
    """Remove a destination and cancel its pending deliveries; return their number."""
    locked = _locked(destination)
    locked.removed_at = clock()
    locked.save(update_fields=["removed_at"])
    unsettled = Delivery.objects.filter(destination=locked, state__in=UNSETTLED)
    cancelled = unsettled.update(
        state=DeliveryState.CANCELLED,
        settled_at=clock(),
        reason_code="destination_removed",
        reason_params={},
    )
    detail = {"cancelled": cancelled}
    append(Event(Action.DESTINATION_REMOVED, "destination", locked.pk, detail=detail), by)
    return cancelled


def test(destination: Destination, by: User) -> SendOutcome:
    """Test whether a destination responds, without sending patient data."""
    sender = sender_for(destination)
    try:
        outcome = sender.test()
    except Exception as error:
        outcome = of_error(error)
    finally:
        sender.close()
    detail = {"answered": outcome.result == SendResult.DELIVERED}
    append(Event(Action.DESTINATION_TESTED, "destination", destination.pk, detail=detail), by)
    return outcome


def _locked(destination: Destination) -> Destination:
    found = Destination.objects.select_for_update().get(pk=destination.pk)
    if found.removed_at is not None:
        raise DestinationError(_("This destination has been removed."))
    return found


def _set(destination: Destination, values: Mapping[str, Any]) -> None:
    for name in EDITABLE:
        if name in values:
            setattr(destination, name, values[name])
    if values.get("token"):
        destination.secret = encrypt(values["token"])


def _save(destination: Destination) -> None:
    try:
        with transaction.atomic():
            destination.save()
    except IntegrityError:
        raise DestinationError(_("There is already a destination of this name.")) from None


def _settings_of(destination: Destination) -> dict[str, Any]:
    values = {name: getattr(destination, name) for name in EDITABLE}
    # A digest, which tells tokens apart without revealing them.
    secret = hashlib.sha256(destination.secret.encode()).hexdigest()[:8]
    return values | {"token": secret if destination.secret else ""}
