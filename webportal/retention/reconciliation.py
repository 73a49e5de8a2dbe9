"""Legal holds compared with the audit trail."""

from collections.abc import Iterator

from webportal.audit.models import Action
from webportal.audit.reconciliation import MOST_APART, Check, Entries, differing_fields
from webportal.retention.models import LegalHold


def _differences(hold: LegalHold, entries: Entries) -> Iterator[str]:
    placed = entries[0]
    recorded = {**placed.detail, "on": placed.object_id}
    row = {"on": str(hold.patient_id or hold.study_id), "reason": hold.reason}
    yield from differing_fields(recorded, row)
    # One that follows a study keeps the name of whoever placed it on the former patient.
    if "follows" not in placed.detail and placed.actor_id != hold.placed_by_id:
        yield "placed_by"
    lifted = next((each for each in entries if each.action == Action.HOLD_LIFTED), None)
    if lifted is None or hold.lifted_at is None:
        if lifted is not None or hold.lifted_at is not None:
            yield "lifted_at"
    elif abs(lifted.at - hold.lifted_at) > MOST_APART:
        yield "lifted_at"
    if hold.lifted_by_id != (lifted.actor_id if lifted else None):
        yield "lifted_by"


CHECKS = [
    Check(
        kind="hold",
        rows=LegalHold.objects.all,
        made=(Action.HOLD_PLACED,),
        further=(Action.HOLD_LIFTED,),
        differences=_differences,
        named="hold",
    ),
]
