"""Sending the trail on, in order and at least once: a step of the scheduler."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from webportal.audit.models import AuditEntry
from webportal.auditexport import fhir
from webportal.auditexport.content import Records
from webportal.auditexport.events import SUCCESS, event_of
from webportal.auditexport.message import audit_message
from webportal.auditexport.models import Target
from webportal.auditexport.syslog import connected, frame
from webportal.backoff import pause_seconds

logger = logging.getLogger(__name__)

BATCH = 200
LONGEST_PAUSE_SECONDS = 60.0
# However long a server asks for.
LONGEST_ASKED_SECONDS = 600.0

# Sends what follows a position until a monotonic time, and yields the positions reached.
_Send = Callable[[int, float], Iterator[int]]


def addresses() -> list[str]:
    """Where the trail is to be sent."""
    return list(_senders())


def _senders() -> dict[str, _Send]:
    senders = {settings.AUDIT_EXPORT: _by_syslog, settings.AUDIT_EXPORT_FHIR: fhir.send}
    return {address: send for address, send in senders.items() if address}


def send_some(most_seconds: float) -> int:
    """Send entries that have not been sent, for about so long; return how many have arrived.

    Each address has its own position, and its share of the time. One process at a time sends to
    one, because the order counts. What is not confirmed is sent again.
    """
    senders = _senders()
    return sum(
        _send_to(address, send, most_seconds / len(senders)) for address, send in senders.items()
    )


def _send_to(address: str, send: _Send, most_seconds: float) -> int:
    Target.objects.get_or_create(address=address)
    now = timezone.now()
    with transaction.atomic():
        target = (
            Target.objects.select_for_update(skip_locked=True)
            .filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
            .filter(address=address)
            .first()
        )
        if target is None or not AuditEntry.objects.filter(sequence__gt=target.position).exists():
            return 0
        before = target.position
        failure = None
        try:
            for position in send(before, time.monotonic() + most_seconds):
                target.position = position
        except OSError as error:
            failure = error
        has_moved = target.position > before
        if has_moved:
            target.moved_at = timezone.now()
        if failure is not None:
            _note_failure(target, failure, is_first=has_moved or not target.failures)
            return target.position - before
        if target.failures:
            logger.warning("Sending the audit trail to %s works again", address)
        target.failures, target.next_attempt_at, target.error = 0, None, ""
        target.save()
        return target.position - before


def _by_syslog(position: int, until: float) -> Iterator[int]:
    """Nothing is known to have arrived before the server has confirmed all.

    At least one batch is sent, so that a server to which connecting takes long gets all in time.
    """
    with connected() as connection:
        while True:
            entries = list(
                AuditEntry.objects.filter(sequence__gt=position).order_by("sequence")[:BATCH]
            )
            records = Records(entries)
            for entry in entries:
                is_warning = event_of(entry.action).outcome != SUCCESS
                message = audit_message(entry, records)
                connection.sendall(frame(message, entry.at, is_warning=is_warning))
                position = entry.sequence
            if len(entries) < BATCH or time.monotonic() >= until:
                break
    yield position


def _note_failure(target: Target, error: OSError, *, is_first: bool) -> None:
    target.failures = 1 if is_first else target.failures + 1
    pause = pause_seconds(target.failures, longest=LONGEST_PAUSE_SECONDS)
    asked = min(getattr(error, "wait_seconds", 0.0), LONGEST_ASKED_SECONDS)
    target.next_attempt_at = timezone.now() + timedelta(seconds=max(pause, asked))
    target.error = str(error) or type(error).__name__
    target.save()
    if is_first:
        logger.warning("The audit trail cannot be sent to %s: %s", target.address, target.error)
