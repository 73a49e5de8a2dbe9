"""Models of review: reads and related records, and readers' preferences."""

from webportal.review.models.image_views import ImageView
from webportal.review.models.preferences import ReadingPreference, SavedView, WorklistPreference
from webportal.review.models.reads import (
    Addendum,
    Decision,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
    SecondReading,
    SecondReadingReason,
    Zone,
)
from webportal.review.models.reservations import Reservation
from webportal.review.models.signing_pins import SigningPin
from webportal.review.models.text_templates import TextTemplate

__all__ = [
    "Addendum",
    "Decision",
    "ImageView",
    "OtherFinding",
    "Pneumonia",
    "Read",
    "ReadKind",
    "ReadState",
    "ReadingPreference",
    "Reservation",
    "SavedView",
    "SecondReading",
    "SecondReadingReason",
    "SigningPin",
    "TextTemplate",
    "WorklistPreference",
    "Zone",
]
