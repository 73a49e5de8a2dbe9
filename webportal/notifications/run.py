"""Noting what everybody is to be told.

Run by the scheduler at intervals. Nothing is kept between two runs: what has been told is in the
rows, so a scheduler that was stopped goes on where it was, and two of them tell nothing twice.
"""

from webportal.notifications import alerts, batches, corrections, counted, overruled, stat_studies

#: Each notes one kind, or a few that are alike.
_NOTERS = (
    batches.note,
    stat_studies.note,
    counted.note,
    overruled.note,
    corrections.note,
    alerts.note,
)


def note_all() -> int:
    """Note what people are to be told now; return how many notifications there are more."""
    return sum(note() for note in _NOTERS)
