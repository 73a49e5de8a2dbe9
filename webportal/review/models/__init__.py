"""Models of review: reads and related records, and readers' preferences."""

from webportal.review.models.preferences import ReadingPreference, SavedView, WorklistPreference
from webportal.review.models.reads import (
    Addendum,
    Decision,
    ImageView,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
    Reservation,
    SecondReading,
    SecondReadingReason,
    SigningPin,
    TextTemplate,
    Zone,
)

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
