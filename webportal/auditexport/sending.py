"""Sending the trail on, in order and at least once: a step of the scheduler."""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from webportal.audit.models import AuditEntry
from webportal.auditexport.events import SUCCESS, event_of
from webportal.auditexport.message import Records, audit_message
from webportal.auditexport.models import Target
from webportal.auditexport.syslog import connected, frame

logger = logging.getLogger(__name__)

BATCH = 200
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0


def is_configured() -> bool:
    """Whether the trail is to be sent anywhere."""
    return bool(settings.AUDIT_EXPORT)


def send_some(most_seconds: float) -> int:
    """Send entries that have not been sent, for about so long; return how many have arrived.

    One process at a time sends, because the order counts. What is not confirmed is sent again.
    """
    if not is_configured():
        return 0
    Target.objects.get_or_create(address=settings.AUDIT_EXPORT)
    now = timezone.now()
    with transaction.atomic():
        target = (
            Target.objects.select_for_update(skip_locked=True)
            .filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
            .filter(address=settings.AUDIT_EXPORT)
            .first()
        )
        if target is None or not AuditEntry.objects.filter(sequence__gt=target.position).exists():
            return 0
        before = target.position
        try:
            target.position = _send(before, time.monotonic() + most_seconds)
        except OSError as error:
            _note_failure(target, error)
            return 0
        if target.failures:
            logger.warning("Sending the audit trail works again")
        target.moved_at, target.failures = timezone.now(), 0
        target.next_attempt_at, target.error = None, ""
        target.save()
        return target.position - before


def _send(position: int, until: float) -> int:
    """Send what follows a position; return the position up to which all has arrived."""
    with connected() as connection:
        while time.monotonic() < until:
            entries = list(
                AuditEntry.objects.filter(sequence__gt=position).order_by("sequence")[:BATCH]
            )
            records = Records(entries)
            for entry in entries:
                is_warning = event_of(entry.action).outcome != SUCCESS
                message = audit_message(entry, records)
                connection.sendall(frame(message, entry.at, is_warning=is_warning))
                position = entry.sequence
            if len(entries) < BATCH:
                break
    return position


def _note_failure(target: Target, error: OSError) -> None:
    target.failures += 1
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(target.failures - 1, 10), LONGEST_PAUSE_SECONDS)
    target.next_attempt_at = timezone.now() + timedelta(seconds=pause)
    target.error = str(error) or type(error).__name__
    target.save()
    if target.failures == 1:
        logger.warning("The audit trail cannot be sent to %s: %s", target.address, target.error)
