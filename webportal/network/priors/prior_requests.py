"""The recorded requests for earlier studies; `fetching` carries them out.

Apart from it, because the pages need no pynetdicom.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.network.models import PriorRequest, PriorRequestState, PriorSource
from webportal.refusals import Conflict


class PriorError(Conflict):
    """No earlier studies are fetched from the node."""


def due(now: datetime) -> QuerySet[PriorRequest]:
    """The requests whose node is to be queried now, oldest first."""
    waiting = PriorRequest.objects.filter(
        state=PriorRequestState.WAITING,
        node__is_active=True,
        node__prior_source__is_active=True,
    )
    return waiting.filter(next_attempt_at__lte=now).order_by("requested_at", "pk")


@transaction.atomic
def ask_again(row: PriorRequest, by: User) -> None:
    """Query the node again at once; fetched studies stay. Raises PriorError."""
    locked = PriorRequest.objects.select_for_update().get(pk=row.pk)
    sources = PriorSource.objects.filter(is_active=True, node__is_active=True)
    if not sources.filter(node=locked.node_id).exists():
        raise PriorError(_("No prior studies are fetched from this device; allow it first."))
    locked.state, locked.attempts, locked.reason_code = PriorRequestState.WAITING, 0, ""
    locked.requested_at = locked.next_attempt_at = clock()
    locked.settled_at = None
    locked.save()
    append(Event(Action.PRIORS_RETRIED, "prior_request", locked.pk, locked.study_id), by)
