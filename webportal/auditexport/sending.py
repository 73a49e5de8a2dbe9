"""Sending the audit trail, in order and at least once: a step of the scheduler."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
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
from webportal.auditexport.models import SetAside, Target
from webportal.auditexport.setting_aside import next_sequence, set_refused_aside
from webportal.auditexport.syslog import ANSWER_SECONDS, CONNECT_SECONDS, connected, frame
from webportal.backoff import pause_seconds

logger = logging.getLogger(__name__)

BATCH = 200
LONGEST_PAUSE_SECONDS = 60.0
# The longest wait that a server can ask for.
LONGEST_ASKED_SECONDS = 600.0

# A server that exceeded its share of a step by this much gets a pause of several steps.
_OVERTIME_SECONDS = 1.0
_REST_FACTOR = 3

# Sends the entries after a position until a monotonic time; yields the positions reached, with
# the refusals of entries that were skipped.
_Send = Callable[[int, float], Iterator[tuple[int, list[fhir.EntryRefusedError]]]]


def addresses() -> list[str]:
    """The addresses to which the trail is sent."""
    return list(_senders())


def _senders() -> dict[str, _Send]:
    senders = {settings.AUDIT_EXPORT: _by_syslog, settings.AUDIT_EXPORT_FHIR: fhir.send}
    return {address: send for address, send in senders.items() if address}


def send_some(most_seconds: float) -> int:
    """Send the next entries, for about `most_seconds`; return how many have arrived.

    Each address has its own position and its share of the time. Only one process at a time sends to
    an address, to keep the order. What is not confirmed is sent again. A server that exceeds its
    share gets a few seconds more, then a pause of three times what it took.
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
        if target is None:
            return 0
        again = list(target.set_aside.filter(is_to_be_sent=True)[:BATCH])
        if not again and next_sequence(target) is None:
            return 0
        began, before = time.monotonic(), target.position
        left_out: list[fhir.EntryRefusedError] = []
        sent_again = 0
        failure = None
        try:
            for _each in _send_again(again, began + most_seconds):
                sent_again += 1
            for position, refused in send(before, began + most_seconds):
                target.position = position
                left_out += refused
        except OSError as error:
            failure = error
        took = time.monotonic() - began
        rest = _REST_FACTOR * took if took > most_seconds + _OVERTIME_SECONDS else 0.0
        _record_step(target, failure, before, rest)
        if left_out:
            # Last, because it locks the head of the trail until the transaction ends.
            set_refused_aside(target, left_out)
        return sent_again + target.position - before - len(left_out)


def _send_again(asked: Sequence[SetAside], until: float) -> Iterator[SetAside]:
    """Send entries that hospital IT wants to be sent again; yields those that have arrived."""
    if not asked:
        return
    entries = AuditEntry.objects.in_bulk([each.sequence for each in asked], field_name="sequence")
    records = Records(list(entries.values()))
    with fhir.session(until + fhir.ANSWER_SECONDS) as session:
        for each in asked:
            if time.monotonic() >= until:
                return
            try:
                fhir.send_one(session, entries[each.sequence], records)
            except fhir.EntryRefusedError as error:
                if not error.may_be_the_entry:
                    raise
                each.is_to_be_sent, each.error = False, error.said
                each.save(update_fields=["is_to_be_sent", "error"])
            else:
                each.delete()
                yield each


def _by_syslog(position: int, until: float) -> Iterator[tuple[int, list[fhir.EntryRefusedError]]]:
    """Advance only once the server has confirmed everything sent: syslog confirms no single entry.

    At least one batch is sent, so that a server that is slow to connect gets the trail in the end.
    """
    with connected(until + CONNECT_SECONDS + ANSWER_SECONDS) as connection:
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
    yield position, []


def _record_step(target: Target, failure: OSError | None, before: int, rest: float) -> None:
    """Record how far a step came, and when the next may start: after `rest` seconds at least."""
    has_moved = target.position > before
    if has_moved:
        target.moved_at = timezone.now()
    if failure is None:
        if target.failures:
            logger.warning("Sending the audit trail to %s works again", target.address)
        target.failures, target.error, target.failed_at_entry = 0, "", False
        target.next_attempt_at = timezone.now() + timedelta(seconds=rest) if rest else None
        target.save()
        return
    is_first = has_moved or not target.failures
    target.failures = 1 if is_first else target.failures + 1
    pause = pause_seconds(target.failures, longest=LONGEST_PAUSE_SECONDS)
    asked = min(getattr(failure, "wait_seconds", 0.0), LONGEST_ASKED_SECONDS)
    target.next_attempt_at = timezone.now() + timedelta(seconds=max(pause, asked, rest))
    target.error = str(failure) or type(failure).__name__
    target.failed_at_entry = getattr(failure, "can_be_left_out", False)
    target.save()
    if is_first:
        logger.warning("The audit trail cannot be sent to %s: %s", target.address, target.error)
