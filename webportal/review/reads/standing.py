"""Which signed reads stand: those that no amendment has superseded.

Everything that shows, counts or compares readers' findings uses this module. A superseded read
stays signed; it is shown as history, labelled as such, and has no effect.
"""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from webportal.review.models import Read, ReadState

# How long a reader may take a signature back. The trigger that protects signed reads uses the same
# value.
TAKE_BACK_PERIOD = timedelta(seconds=30)


def stands() -> Q:
    """Filter for reads that are signed and not superseded by a signed amendment."""
    amendments = Read.objects.filter(amends=OuterRef("pk"), state=ReadState.SIGNED)
    return Q(~Exists(amendments), state=ReadState.SIGNED)


def standing_reads() -> QuerySet[Read]:
    """The standing signed reads of all studies."""
    return Read.objects.filter(stands())


def may_be_taken_back() -> Q:
    """Filter for reads signed so recently that their reader may still take the signature back."""
    return Q(state=ReadState.SIGNED, signed_at__gt=Now() - TAKE_BACK_PERIOD)


def final_reads() -> QuerySet[Read]:
    """The standing reads that can no longer be taken back and may leave the portal."""
    return standing_reads().exclude(may_be_taken_back())


def is_final(read: Read) -> bool:
    """Like `final_reads`, for one read."""
    return final_reads().filter(pk=read.pk).exists()


def final_at(read: Read) -> datetime | None:
    """When a signed read becomes final; None for a draft."""
    return read.signed_at + TAKE_BACK_PERIOD if read.signed_at else None


def superseding_read(read: Read) -> Read | None:
    """The signed amendment that has superseded a read, if any."""
    return read.amendments.filter(state=ReadState.SIGNED).select_related("reader").first()
