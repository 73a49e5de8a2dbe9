"""Emergency accesses compared with the audit trail."""

from collections.abc import Iterator
from typing import Any

from webportal.audit.models import Action
from webportal.audit.reconciliation import Check, Entries, differing_fields
from webportal.records.models import EmergencyAccess


def _differences(access: EmergencyAccess, entries: Entries) -> Iterator[str]:
    recorded: dict[str, Any] = {"outcome": "", "remark": ""}
    reviewer = None
    for entry in entries:
        recorded |= entry.detail
        if entry.action == Action.EMERGENCY_REVIEWED:
            reviewer = entry.actor_id
    row = {
        "patient": str(access.patient_id),
        "reason": access.reason,
        "until": access.ends_at.isoformat(),
        "outcome": access.outcome,
        "remark": access.remark,
    }
    yield from differing_fields(recorded, row)
    if entries[0].actor_id != access.person_id:
        yield "person"
    if reviewer != access.reviewed_by_id:
        yield "reviewed_by"


CHECKS = [
    Check(
        kind="emergency",
        rows=EmergencyAccess.objects.all,
        made=(Action.EMERGENCY_BEGUN,),
        further=(Action.EMERGENCY_ENDED, Action.EMERGENCY_REVIEWED),
        differences=_differences,
    ),
]
