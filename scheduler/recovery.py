"""The sweep: recovers lost messages and expired leases."""

import logging
from datetime import timedelta

from django.conf import settings

from webportal.inference.claims import expire_leases
from webportal.inference.fleet import WorkerState, workers_with_states
from webportal.inference.hint_sender import send_hint
from webportal.inference.queue import overdue

logger = logging.getLogger(__name__)


def sweep() -> None:
    """Requeue expired leases; if jobs have waited too long, send one hint per idle worker."""
    expired = expire_leases()
    if expired:
        logger.warning("Took back %d jobs from workers that stopped responding", expired)
    if overdue(timedelta(seconds=settings.SWEEP_SECONDS)).exists():
        idle = workers_with_states().filter(state=WorkerState.IDLE).count()
        for _ in range(max(1, idle)):
            send_hint()
