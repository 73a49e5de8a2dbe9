"""The images that a reader has drawn on, each of which has a presentation state."""

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
    """The images with a presentation state of a read: those after its own are drawn on no more.

    They had marks or measurements of an earlier read. A document has the place in this list as its
    `revision`, so that the order must not change: signed reads stay as they are.
    """
    earlier = Read.objects.filter(
        study=read.study_id, state=ReadState.SIGNED, signed_at__lt=read.signed_at
    ).order_by("signed_at", "pk")
    images = [*drawn_on(read), *(image for each in earlier for image in drawn_on(each))]
    return list(dict.fromkeys(images))
