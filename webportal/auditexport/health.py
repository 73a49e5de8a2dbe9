"""Whether the audit trail arrives: for hospital IT's alerts and page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.audit.models import AuditEntry, ChainHead
from webportal.auditexport.models import SetAside, Target
from webportal.auditexport.sending import addresses
from webportal.auditexport.setting_aside import stuck_at

LATE = "audit_export_late"
LEFT_OUT = "audit_entry_left_out"
SHOWN = 20

WORDS: dict[str, str | Promise] = {
    LATE: _(
        "The audit trail does not reach a server that it is sent to. Nothing is lost: it is sent"
        " once the server confirms what it receives. Check AUDIT_EXPORT, AUDIT_EXPORT_FHIR and"
        " the server; the Queue page says why the last attempt failed."
    ),
    LEFT_OUT: _(
        "A server does not accept some entries of the audit trail, which were left out so that"
        " those after them arrive. Find out why in the log of the server; then send them again on"
        " the Queue page, or give them up there."
    ),
}


@dataclass(frozen=True)
class ExportState:
    """The state of the export: entries still to be sent, since when, and the last failure."""

    address: str
    waiting: int
    moved_at: datetime | None
    error: str
    #: The entries that the server refuses.
    left_out: list[SetAside]
    #: The entry at which the export is stuck, if it can be set aside.
    stuck_at: int | None


def states() -> list[ExportState]:
    """The state of the export to each address."""
    return [_state(address) for address in addresses()]


def _state(address: str) -> ExportState:
    target = Target.objects.filter(address=address).first()
    position = target.position if target else 0
    return ExportState(
        address=address,
        waiting=ChainHead.objects.get(pk=1).sequence - position,
        moved_at=target.moved_at if target and position else None,
        error=target.error if target else "",
        left_out=list(target.set_aside.all()[:SHOWN]) if target else [],
        stuck_at=stuck_at(target) if target else None,
    )


def problems() -> list[str]:
    """The codes of the problems that need attention now.

    A long trail on its way to a new server is not late, however old its entries are.
    """
    to = addresses()
    late = [LATE] if any(map(_is_late, to)) else []
    left_out = SetAside.objects.filter(target__in=to).exists()
    return [*late, LEFT_OUT] if left_out else late


def _is_late(address: str) -> bool:
    longest = timezone.now() - timedelta(minutes=settings.AUDIT_EXPORT_LATE_MINUTES)
    target = Target.objects.filter(address=address).first()
    if target is not None and target.moved_at > longest:
        return False
    position = target.position if target else 0
    following = AuditEntry.objects.filter(sequence__gt=position).order_by("sequence").first()
    return following is not None and following.at < longest
