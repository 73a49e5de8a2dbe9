"""Which signed reads stand: those that no amendment has superseded.

Whatever shows, counts or compares what readers found asks here. What was superseded stays signed;
it is shown as history, marked, and counts for nothing.
"""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from webportal.review.models import Read, ReadState

# For so long a reader may take a signature back. The trigger that protects signed reads has the
# same figure.
TAKE_BACK_PERIOD = timedelta(seconds=30)


def stands() -> Q:
    """A condition on reads: signed, and superseded by no signed amendment."""
    amendments = Read.objects.filter(amends=OuterRef("pk"), state=ReadState.SIGNED)
    return Q(~Exists(amendments), state=ReadState.SIGNED)


def standing_reads() -> QuerySet[Read]:
    """The signed reads that stand, of every study."""
    return Read.objects.filter(stands())


def may_be_taken_back() -> Q:
    """A condition on reads: signed so lately that their reader may still take that back."""
    return Q(state=ReadState.SIGNED, signed_at__gt=Now() - TAKE_BACK_PERIOD)


def final_reads() -> QuerySet[Read]:
    """The reads that stand and can no longer be taken back: what may be sent out of the portal."""
    return standing_reads().exclude(may_be_taken_back())


def is_final(read: Read) -> bool:
    """Whether one read is among those of `final_reads`."""
    return final_reads().filter(pk=read.pk).exists()


def final_at(read: Read) -> datetime | None:
    """From when on a signed read cannot be taken back; None for a draft."""
    return read.signed_at + TAKE_BACK_PERIOD if read.signed_at else None


def superseding_read(read: Read) -> Read | None:
    """The signed amendment that has superseded a read, if any."""
    return read.amendments.filter(state=ReadState.SIGNED).select_related("reader").first()
