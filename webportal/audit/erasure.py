"""Blanking the details of entries, so that the trail forgets a person and its chain still verifies.

An entry keeps its MAC, to which the next one is chained, and everything but its details. These are
replaced by the number of the erasure: a later entry that lists the blanked entries, each with a MAC
over what is left of it. Because the erasure is chained itself, nobody without its key can blank an
entry unnoticed, or change what is left of a blank one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from webportal.audit import epochs
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AuditEntry, ChainHead
from webportal.audit.trail import Event, append

# As many hex digits of each MAC as of an anchor's signature: 128 bits.
MAC_DIGITS = 32
ERASED_BY = "erased_by"


@transaction.atomic
def erase(
    entries: QuerySet[AuditEntry],
    event: Event,
    removed: Mapping[str, Iterable[str]],
    actor: Any = None,
) -> AuditEntry:
    """Append an entry that records an erasure, and blank the details of the given entries.

    `removed` has the ids of the erased rows, by the object type of their entries. Like `append`,
    call this last in the transaction; only the deletions that its entry permits may follow. Raises
    MissingKeyError if the key of one of the entries is missing.
    """
    head = ChainHead.objects.select_for_update().get(pk=1)
    number = head.sequence + 1
    keys = epochs.read()
    blanked = []
    for entry in entries.exclude(detail__has_key=ERASED_BY).order_by("sequence").iterator():
        entry.detail = {ERASED_BY: number}
        blanked.append(
            [entry.sequence, compute_mac(entry, keys.key_at(entry.sequence))[:MAC_DIGITS]]
        )
    listed = {kind: sorted(map(str, keys)) for kind, keys in removed.items()}
    detail = event.detail | {"removed": listed, "blanked": blanked}
    appended = append(replace(event, action=Action.RECORDS_ERASED, detail=detail), actor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_blank(%s)", [appended.sequence])
    return appended


def is_blank(entry: AuditEntry) -> bool:
    """Whether the details of an entry were erased."""
    return ERASED_BY in entry.detail


def removed_by(entries: Iterable[AuditEntry], kind: str) -> set[str]:
    """The ids of a kind that were removed by the erasures that blanked these entries.

    An erasure that is not genuine has removed nothing.
    """
    numbers = {entry.detail[ERASED_BY] for entry in entries if is_blank(entry)}
    erasures = AuditEntry.objects.filter(sequence__in=numbers, action=Action.RECORDS_ERASED)
    keys = epochs.read()
    return {
        key
        for erasure in erasures
        if keys.is_genuine(erasure)
        for key in erasure.detail["removed"].get(kind, ())
    }
