"""Statements of a read that documents carry as text, in English whatever the portal's language."""

from django.utils import translation

from webportal.delivery.documents import coding
from webportal.review.models import Read
from webportal.review.reads.measurements import describe_measurements


def measured(read: Read) -> list[str]:
    """The lengths, angles and areas that were kept with a read."""
    with translation.override("en"):
        return describe_measurements(read.measurements, read.study)


def zones(read: Read) -> list[str]:
    """The zones of a read's pneumonia, with their sides."""
    named = [coding.zone(name) for name in read.zones]
    return [f"{zone.meaning}, {side.meaning.lower()}" for zone, side in named]
