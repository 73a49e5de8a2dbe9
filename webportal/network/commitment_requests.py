"""The recorded requests for storage commitment; `commitment` answers and reports.

Apart from it, because the pages need no pynetdicom.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.network.models import Commitment, CommitmentState, StorageRequest
from webportal.refusals import Conflict

_KEPT = timedelta(days=30)


class CommitmentError(Conflict):
    """The report cannot be sent again in its present state."""


def due(now: datetime) -> QuerySet[Commitment]:
    """The requests due for a report, oldest first."""
    waiting = Commitment.objects.filter(state=CommitmentState.WAITING, node__is_active=True)
    return waiting.filter(next_attempt_at__lte=now).order_by("requested_at", "pk")


@transaction.atomic
def send_again(row: Commitment, by: User) -> None:
    """Send a report at once, whatever became of the last attempt. Raises CommitmentError."""
    locked = Commitment.objects.select_for_update().select_related("node").get(pk=row.pk)
    if not locked.node.is_active:
        raise CommitmentError(_("The device may not send; allow it first."))
    locked.state, locked.next_attempt_at, locked.settled_at = CommitmentState.WAITING, clock(), None
    locked.save(update_fields=["state", "next_attempt_at", "settled_at"])
    append(Event(Action.COMMITMENT_RETRIED, "commitment", locked.pk), by)


def remove_old() -> None:
    """Remove requests settled long ago; the audit trail keeps what was reported."""
    long_ago = clock() - _KEPT
    Commitment.objects.filter(settled_at__lt=long_ago).delete()
    StorageRequest.objects.filter(asked_at__lt=long_ago).delete()
