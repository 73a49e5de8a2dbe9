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
_NOTERS = (
    batches.note,
    stat_studies.note,
    counted.note,
    overruled.note,
    corrections.note,
    emergencies.note_overdue,
    alerts.note,
)


def note_all() -> int:
    """Create the notifications that are due; return how many."""
    return sum(note() for note in _NOTERS)
