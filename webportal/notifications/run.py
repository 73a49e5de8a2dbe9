"""Creating notifications.

Run by the scheduler at intervals. No state is kept between runs: the rows record what has been
notified, so a restarted scheduler continues, and two of them never notify twice.
"""

from webportal.notifications import (
    alerts,
    batches,
    corrections,
    counted,
    emergencies,
    overruled,
    stat_studies,
)

#: Each creates one kind, or a few that are alike.
_CREATORS = (
    batches.create_due,
    stat_studies.create_due,
    counted.create_due,
    overruled.create_due,
    corrections.create_due,
    emergencies.create_overdue,
    alerts.create_due,
)


def create_due() -> int:
    """Create the notifications that are due; return how many."""
    return sum(create() for create in _CREATORS)
