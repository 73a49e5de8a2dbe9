"""The images with graphics of a reader, each of which has a presentation state."""

from uuid import UUID

from webportal.review.models import Read, ReadState
from webportal.review.reads.marks import parse_marks
from webportal.review.reads.measurements import parse_measurements


def drawn_on(read: Read) -> list[UUID]:
    """The images with marks or measurements of a signed read, in an order that never changes."""
    marked = [mark.radiograph for mark in parse_marks(read.marks)]
    measured = [each.radiograph for each in parse_measurements(read.measurements)]
    return list(dict.fromkeys([*marked, *measured]))


def presented(read: Read) -> list[UUID]:
    """The images with a presentation state of a read; those after its own no longer have graphics.

    They had marks or measurements of an earlier read. A document's `revision` is its place in this
    list, so the order must not change. It does not, because signed reads never do.
    """
    earlier = Read.objects.filter(
        study=read.study_id, state=ReadState.SIGNED, signed_at__lt=read.signed_at
    ).order_by("signed_at", "pk")
    images = [*drawn_on(read), *(image for each in earlier for image in drawn_on(each))]
    return list(dict.fromkeys(images))
