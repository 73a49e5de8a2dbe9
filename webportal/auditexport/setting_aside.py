"""Entries that a FHIR server refuses: set aside, sent again, or given up by hospital IT.

Each of these is an audit entry, too, which is sent to the same server and tells it which entry it
lacks.
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

#: The actor in the trail for entries set aside automatically.
EXPORT = "export of the audit trail"
# A server that is away only for a moment is no reason to offer setting entries aside.
_FAILURES_UNTIL_STUCK = 3


class SettingAsideError(Conflict):
    """This is no longer possible with the entry; the message says why."""


def set_refused_aside(target: Target, refused: Sequence[EntryRefusedError]) -> None:
    """Set aside entries that a server refused before it accepted a later one."""
    SetAside.objects.bulk_create(
        (SetAside(target=target, sequence=each.sequence, error=each.said) for each in refused),
        ignore_conflicts=True,
    )
    # An entry about one of this kind would be refused in turn, and so on for ever.
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
    """Set aside the entry at which the export is stuck.

    `sequence` is the entry that the person was shown. Raises SettingAsideError if the export is no
    longer stuck there, or the entry cannot be set aside.
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
    """Never send an entry again; it stays in the trail here. Raises SettingAsideError."""
    entry = _locked(pk)
    append(_event(Action.AUDIT_ENTRY_GIVEN_UP, entry.target, entry.sequence, entry.error), by)
    entry.delete()


def stuck_at(target: Target) -> int | None:
    """The entry at which the export is stuck, if it can be set aside; None otherwise.

    Not while the server is merely away. Syslog servers do not refuse entries.
    """
    if not target.failed_at_entry or target.failures < _FAILURES_UNTIL_STUCK:
        return None
    return next_sequence(target)


def next_sequence(target: Target) -> int | None:
    """The number of the entry to be sent next, or None."""
    following = AuditEntry.objects.filter(sequence__gt=target.position).order_by("sequence")
    return following.values_list("sequence", flat=True).first()


def _locked(pk: UUID) -> SetAside:
    # The target is locked first, as in the scheduler, which may hold it for seconds while sending.
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
