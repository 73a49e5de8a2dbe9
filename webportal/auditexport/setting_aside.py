"""Entries that a FHIR server does not take: set aside, sent again, or given up by hospital IT.

Whatever is done with one is in the trail, which is sent to the same server: it learns there which
entry it lacks.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append, append_all
from webportal.auditexport.fhir import EntryRefusedError
from webportal.auditexport.models import SetAside, Target
from webportal.refusals import Conflict

#: The actor in the trail for what happens without anybody's decision.
EXPORT = "export of the audit trail"
# A server that is merely away for a moment does not offer to leave entries out.
_FAILURES_UNTIL_STUCK = 3


class SettingAsideError(Conflict):
    """That cannot be done with this entry any more; the message says why."""


def set_refused_aside(target: Target, refused: Sequence[EntryRefusedError]) -> None:
    """Set aside the entries that a server refused while it took one after them."""
    SetAside.objects.bulk_create(
        (SetAside(target=target, sequence=each.sequence, error=each.said) for each in refused),
        ignore_conflicts=True,
    )
    # One about an entry of this kind would be the next to be refused, and so on for ever.
    append_all(
        [
            _event(Action.AUDIT_ENTRY_SET_ASIDE, target, each.sequence, each.said)
            for each in refused
            if each.action != Action.AUDIT_ENTRY_SET_ASIDE
        ],
        EXPORT,
    )


@transaction.atomic
def set_next_aside(address: str, sequence: int, by: User) -> None:
    """Set aside the entry at which the export has stopped.

    `sequence` is the one that the person was shown. Raises SettingAsideError if it is no longer
    there, or cannot be left out.
    """
    target = Target.objects.select_for_update().filter(address=address).first()
    if target is None or stuck_at(target) != sequence:
        raise SettingAsideError(_("The export has gone on meanwhile; nothing was set aside."))
    said = target.error[:100]
    SetAside.objects.create(target=target, sequence=sequence, error=said)
    target.position, target.next_attempt_at = sequence, None
    target.save(update_fields=["position", "next_attempt_at"])
    append(_event(Action.AUDIT_ENTRY_SET_ASIDE, target, sequence, said), by)


@transaction.atomic
def send_again(pk: UUID, by: User) -> None:
    """Have the scheduler send an entry again. Raises SettingAsideError."""
    entry = _locked(pk)
    if entry.is_to_be_sent:
        return
    entry.is_to_be_sent = True
    entry.save(update_fields=["is_to_be_sent"])
    Target.objects.filter(pk=entry.target_id).update(next_attempt_at=None)
    append(_event(Action.AUDIT_ENTRY_SENT_AGAIN, entry.target, entry.sequence, entry.error), by)


@transaction.atomic
def give_up(pk: UUID, by: User) -> None:
    """Leave an entry out for good; it stays in the trail here. Raises SettingAsideError."""
    entry = _locked(pk)
    append(_event(Action.AUDIT_ENTRY_GIVEN_UP, entry.target, entry.sequence, entry.error), by)
    entry.delete()


def stuck_at(target: Target) -> int | None:
    """The entry at which the export has stopped, if it can be left out; None otherwise.

    Not while the server is merely away; and by syslog no server refuses an entry.
    """
    if not target.failed_at_entry or target.failures < _FAILURES_UNTIL_STUCK:
        return None
    return next_sequence(target)


def next_sequence(target: Target) -> int | None:
    """The number of the entry that is to be sent next, None if there is none."""
    following = AuditEntry.objects.filter(sequence__gt=target.position).order_by("sequence")
    return following.values_list("sequence", flat=True).first()


def _locked(pk: UUID) -> SetAside:
    # The target first, as the scheduler does, which may hold it for seconds while it sends.
    found = SetAside.objects.filter(pk=pk).first()
    if found is not None:
        Target.objects.select_for_update().get(pk=found.target_id)
        found = SetAside.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if found is None:
        raise SettingAsideError(_("The entry has arrived, or somebody else has given it up."))
    return found


def _event(action: Action, target: Target, sequence: int, said: str) -> Event:
    detail = {"sequence": sequence, "address": target.address, "said": said}
    return Event(action, "audit_entry", str(sequence), detail=detail)
