"""Planning: for which studies a node is queried for earlier ones."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q

from webportal.database.clock import clock
from webportal.database.rows import insert
from webportal.network.models import PriorRequest, PriorSource
from webportal.records.choices import ReadingState
from webportal.records.models import Study

# A study may be assigned to its patient within this time; the query is made then.
_LOOKED_BACK = timedelta(days=3)
_AT_ONCE = 200


def plan() -> int:
    """Record a request for each study that has come in and has an identified patient.

    Running it again is harmless. Returns the number of requests.
    """
    active = PriorSource.objects.filter(is_active=True, node__is_active=True)
    return sum(_plan(source) for source in active.select_related("node"))


def _plan(source: PriorSource) -> int:
    now = clock()
    assert source.active_since is not None
    asked = PriorRequest.objects.filter(node=source.node_id, study=OuterRef("pk"))
    studies = (
        Study.objects.filter(
            ~Exists(asked),
            Q(created_at__gte=max(source.active_since, now - _LOOKED_BACK)),
            reading_state=ReadingState.UNREAD,
            is_phantom=False,
            patient__is_temporary=False,
            patient__issuer=source.issuer,
        )
        .order_by("created_at")
        .values_list("pk", flat=True)[:_AT_ONCE]
    )
    rows = [
        PriorRequest(node=source.node, study_id=study, requested_at=now, next_attempt_at=now)
        for study in studies
    ]
    if rows:
        insert(rows)
    return len(rows)
