"""Decides what may be sent to other systems now.

A PACS is open to all readers, including second readers, so blinding applies as on the pages: a read
is sent once its report is released (webportal.review.reports), and the model's result once the
study is closed. If no reader is blinded to the model, a destination may get the result at once.
"""

from django.conf import settings

from webportal.delivery.models import (
    OF_ALL_RESULTS,
    OF_READS,
    RETRACTIONS,
    WITHDRAWALS,
    Destination,
    Document,
    DocumentKind,
    ResultsWhen,
)
from webportal.delivery.retractions import times_moved
from webportal.inference.models import Prediction
from webportal.inference.summary import counting
from webportal.records.choices import Category, ReadingState
from webportal.records.models import Study
from webportal.review.models import Addendum
from webportal.review.reads.corrections import corrections_of
from webportal.review.reports.content import Report, report_of

#: Results that assess pneumonia, unlike those outside the model's intended purpose.
ASSESSED = (Category.LIKELY, Category.INDETERMINATE, Category.UNLIKELY)


class NotNowError(Exception):
    """A document may not be sent yet; the code is one of `reasons`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ObsoleteError(Exception):
    """A document will never be sent; the code is one of `reasons`."""

    def __init__(self, code: str = "superseded") -> None:
        super().__init__(code)
        self.code = code


def last_addendum(report: Report) -> Addendum | None:
    """A report's last addendum."""
    return report.addenda[-1] if report.addenda else None


def results_to_send(study: Study) -> list[Prediction]:
    """The current results of a study's images that assess pneumonia, the newest last.

    If they are sent together, the newest represents all of them in the outbox.
    """
    current = Prediction.objects.filter(radiograph__study=study, is_current=True)
    results = counting(current.select_related("model_version", "radiograph"))
    assessed = [result for result in results if result.shown_category in ASSESSED]
    return sorted(assessed, key=lambda each: (each.created_at, each.pk))


def is_reported(study: Study) -> bool:
    """Whether a study has a report, or had one before it went to another reader.

    Such a report must not become preliminary again.
    """
    earlier = Document.objects.filter(study=study, kind=DocumentKind.REPORT_FHIR)
    return report_of(study) is not None or earlier.exists()


def may_send_results(study: Study, destination: Destination) -> bool:
    """Whether a destination may get the model's results of a study now.

    Never those of a prior, which came from a PACS to be compared with.
    """
    if study.reading_state == ReadingState.PRIOR:
        return False
    if destination.results_when == ResultsWhen.AT_ONCE and not settings.SECOND_READING_BLIND_TO_AI:
        return True
    return report_of(study) is not None


def check(document: Document, destination: Destination) -> None:
    """Raise NotNowError or ObsoleteError unless a document may be sent to a destination now."""
    if document.study.is_phantom:
        raise ObsoleteError("demonstration")
    if not DocumentKind(document.kind).is_among(destination.sends):
        raise NotNowError("not_chosen")
    if document.kind in RETRACTIONS:
        return
    if document.kind in OF_READS:
        _check_read(document)
    elif document.kind in WITHDRAWALS:
        _check_withdrawal(document)
    else:
        _check_result(document, destination)
    if document.study.patient.is_temporary:
        raise NotNowError("identity_temporary")


def _check_read(document: Document) -> None:
    report = report_of(document.study)
    if report is None:
        raise NotNowError("being_read")
    # An addendum has no graphics.
    is_drawing = document.kind == DocumentKind.PRESENTATION
    addendum = None if is_drawing else last_addendum(report)
    if report.read.pk != document.read_id or addendum != document.addendum:
        raise ObsoleteError
    if corrections_of(report.read):
        raise NotNowError("identity_corrected")


def _check_withdrawal(document: Document) -> None:
    """Raise ObsoleteError if a newer result replaces it. Blinding is irrelevant: it shows none."""
    prediction = document.prediction
    assert prediction is not None
    images = {result.radiograph_id for result in results_to_send(document.study)}
    if prediction.radiograph_id in images:
        raise ObsoleteError
    if document.kind == DocumentKind.NO_EARLY_FHIR and (images or is_reported(document.study)):
        raise ObsoleteError


def _check_result(document: Document, destination: Destination) -> None:
    results = results_to_send(document.study)
    # It may have been sent under another Patient ID: then it is another document.
    if document.revision < times_moved(document.study) or document.prediction not in results:
        raise ObsoleteError
    if document.kind in OF_ALL_RESULTS and document.prediction != results[-1]:
        raise ObsoleteError
    if _is_revised(document, destination):
        raise ObsoleteError
    if document.kind == DocumentKind.EARLY_FHIR and is_reported(document.study):
        raise ObsoleteError
    if not may_send_results(document.study, destination):
        raise NotNowError("being_read")


def _is_revised(document: Document, destination: Destination) -> bool:
    """Whether a destination gets the same results again, after a withdrawal or for another patient.

    By FHIR, the former document would bring back withdrawn results of other images.
    """
    kinds = OF_ALL_RESULTS if document.kind in OF_ALL_RESULTS else (DocumentKind(document.kind),)
    revised = Document.objects.filter(
        kind__in=kinds,
        study=document.study,
        prediction=document.prediction,
        revision__gt=document.revision,
        deliveries__destination=destination,
    )
    return revised.exists()
