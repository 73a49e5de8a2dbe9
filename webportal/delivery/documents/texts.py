"""Statements of reads and results in documents, always in English."""

from collections.abc import Iterable

from django.utils import timezone, translation

from webportal.delivery.documents import coding
from webportal.inference import rounding
from webportal.inference.models import Prediction
from webportal.inference.purpose.reasons import in_short, sentences
from webportal.records.choices import Purpose
from webportal.review.models import Addendum, OtherFinding, Read
from webportal.review.reads.first_reader import said_by_first_reader
from webportal.review.reads.measurements import describe_measurements


def measured(read: Read) -> list[str]:
    """The lengths, angles and areas that were kept with a read."""
    with translation.override("en"):
        return describe_measurements(read.measurements, read.study)


def uncoded(read: Read) -> list[str]:
    """State a finding that has no code: otherwise the document says less than its reader signed."""
    if OtherFinding.OTHER not in read.other_findings:
        return []
    is_described = bool(read.comment.strip())
    words = "see the impression" if is_described else "the reader has not described it"
    return [f"Other finding: {words}."]


def added(read: Read, addenda: Iterable[Addendum]) -> list[str]:
    """Addenda to a read or to earlier ones of its study, each with who signed it and when.

    Who signed the read need not agree with them, and documents name that reader beside them.
    """
    return [
        f"Addendum{'' if each.read_id == read.pk else ' to an earlier read'} by {each.author},"
        f" {timezone.localtime(each.signed_at):%Y-%m-%d %H:%M} ({each.reason}): {each.text}"
        for each in addenda
    ]


def of_first_reader(read: Read) -> list[str]:
    """What only the first of two readers said."""
    with translation.override("en"):
        return said_by_first_reader(read)


def comments(read: Read) -> list[str]:
    """The text of a read besides its impression: findings without a code, measurements."""
    return [*uncoded(read), *measured(read)]


def conclusions(read: Read, addenda: Iterable[Addendum]) -> list[str]:
    """The impression, what only the first of two readers said, and the addenda."""
    return list(filter(None, [read.comment, *of_first_reader(read), *added(read, addenda)]))


def zones(read: Read) -> list[str]:
    """The zones of a read's pneumonia, with their sides."""
    named = [coding.zone(name) for name in read.zones]
    return [f"{zone.meaning}, {side.meaning.lower()}" for zone, side in named]


def cautions(prediction: Prediction) -> list[str]:
    """What the study page says must be checked before a result is relied on, as sentences."""
    with translation.override("en"):
        found = sentences(prediction.purpose_reasons)
        # Until a result is re-evaluated after an upgrade, its former reasons stand.
        is_doubted = bool(prediction.purpose_reasons) and not prediction.purpose
        if is_doubted or prediction.purpose == Purpose.UNCONFIRMED:
            found.append("Check this before relying on the result.")
        if prediction.is_of_adult and prediction.shown_probability is not None:
            found.append(
                "Assessed as an adult's image: the probability is that of a lung opacity against"
                " everything else, normal or abnormal."
            )
        if prediction.correction:
            found.append(
                f"Assessed after {prediction.correction_text}: check that this was right."
                " The heat map lies on the image as it came."
            )
    return found


def cautions_in_short(prediction: Prediction) -> list[str]:
    """The same in a few words each."""
    with translation.override("en"):
        found = in_short(prediction.purpose_reasons)
        if prediction.correction:
            found.append(f"assessed after {prediction.correction_text}")
    return found


def percent(prediction: Prediction) -> float | None:
    """The probability of a result in per cent; None if the model does not give one.

    Whole, as on the pages: no model is calibrated to a tenth of a per cent.
    """
    if prediction.shown_probability is None:
        return None
    return rounding.percentage(prediction.shown_probability, prediction.model_version.thresholds)
