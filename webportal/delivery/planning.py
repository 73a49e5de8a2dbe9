"""Fills the outbox with new signed reads and results, for each destination.

A signature can be taken back for half a minute, and results are written by workers, which know
nothing of destinations. So neither writes to the outbox: it is derived from signed reads, addenda
and results by an idempotent query, which keeps existing rows.
"""

import logging
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import chain

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef

from webportal.database.clock import clock
from webportal.delivery.documents.drawn import drawn_on, presented
from webportal.delivery.documents.hottest import region_to_send
from webportal.delivery.models import (
    OF_ALL_RESULTS,
    OF_MODEL,
    OF_READER,
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
    MovedStudy,
    Protocol,
    document_of,
)
from webportal.delivery.predecessors import revision_of_read
from webportal.delivery.release import (
    is_reported,
    last_addendum,
    may_send_results,
    results_to_send,
)
from webportal.delivery.retractions import times_moved, to_retract
from webportal.delivery.withdrawals import left, revision_to_send, to_withdraw
from webportal.inference.models import Job, JobState, Prediction
from webportal.records.models import Study
from webportal.review.models import Addendum, Read
from webportal.review.reads.standing import final_reads
from webportal.review.reports.content import Report, report_of

logger = logging.getLogger(__name__)

# Signatures become final some time after signing, and transactions become visible on commit.
OVERLAP = timedelta(minutes=10)


def active_destinations() -> list[Destination]:
    """All destinations in use, including paused ones, whose deliveries wait."""
    return list(Destination.objects.filter(removed_at=None))


def plan() -> int:
    """Add missing rows to the outbox, and return their number."""
    return sum(_plan(destination) for destination in active_destinations())


def _plan(destination: Destination) -> int:
    now = clock()
    since = max(destination.looked_until - OVERLAP, destination.created_at)
    studies = Study.objects.filter(pk__in=set(_studies(destination, since)), is_phantom=False)
    added, is_whole = 0, True
    for study in studies.select_related("patient").order_by("created_at").iterator(100):
        try:
            added += _plan_study(destination, study)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            # One study must not stop the others. It is tried again each time.
            is_whole = False
            log_once("The outbox lacks a study", str(study.pk), type(error).__name__)
    if is_whole:
        Destination.objects.filter(pk=destination.pk).update(looked_until=now)
    return added


@cache
def log_once(words: str, key: str, error: str) -> None:
    """Log an error only once, although it recurs every few seconds."""
    logger.error("%s: %s %s", words, key, error)


def _studies(destination: Destination, since: datetime) -> Iterator[uuid.UUID]:
    """Studies with a signature or result for which this destination has no row."""
    own = Delivery.objects.filter(destination=destination)
    moved = MovedStudy.objects.filter(at__gt=since)
    of_moved = own.filter(document__study=OuterRef("study"))
    yield from moved.filter(Exists(of_moved)).values_list("study", flat=True)
    final = final_reads().filter(signed_at__gt=since)
    if not OF_READER.isdisjoint(destination.sends):
        of_read = own.filter(document__read=OuterRef("pk"))
        yield from final.filter(~Exists(of_read)).values_list("study", flat=True)
        of_addendum = own.filter(document__addendum=OuterRef("pk"))
        addenda = Addendum.objects.filter(~Exists(of_addendum), signed_at__gt=since)
        yield from addenda.values_list("read__study", flat=True)
    if not OF_MODEL.isdisjoint(destination.sends):
        jobs = Job.objects.filter(state=JobState.DONE, finished_at__gt=since)
        closed = [*final.values_list("study", flat=True)]
        closed += Addendum.objects.filter(signed_at__gt=since).values_list("read__study", flat=True)
        of_result = own.filter(document__prediction=OuterRef("pk"))
        if destination.protocol == Protocol.FHIR:
            of_result = own.filter(
                document__kind__in=OF_ALL_RESULTS,
                document__study=OuterRef("radiograph__study"),
                document__prediction__created_at__gte=OuterRef("created_at"),
            )
        missing = Prediction.objects.filter(~Exists(of_result), is_current=True)
        for found in (
            missing.filter(job__in=jobs.values("pk")),
            missing.filter(radiograph__study__in=closed),
        ):
            yield from found.values_list("radiograph__study", flat=True)
        # Results sent for these may no longer be valid, or be valid again.
        refused = Job.objects.filter(state=JobState.REFUSED, finished_at__gt=since)
        of_study = own.filter(document__study=OuterRef("radiograph__study"))
        changed = Prediction.objects.filter(Exists(of_study))
        # Two queries, because one for either would read every result.
        for found in (
            changed.filter(job__in=refused.values("pk")),
            changed.filter(rejudged_at__gt=since),
        ):
            yield from found.values_list("radiograph__study", flat=True)


@transaction.atomic
def _plan_study(destination: Destination, study: Study) -> int:
    now = clock()
    added = 0
    of_read, of_results = _of_read(destination, study), _of_results(destination, study)
    # A read follows the result that it names; by FHIR the result then adds to the report.
    is_named = destination.protocol in (Protocol.DICOM, Protocol.DICOMWEB)
    both = (of_results, of_read) if is_named else (of_read, of_results)
    # One by one: the withdrawals in the outbox determine whether a result is valid, or is again.
    documents = chain(_retracting(destination, study), *both)
    for document in documents:
        _delivery, is_new = Delivery.objects.get_or_create(
            destination=destination, document=document, defaults={"next_attempt_at": now}
        )
        added += is_new
    return added


def _retracting(destination: Destination, study: Study) -> Iterator[Document]:
    for kind, former in to_retract(destination, study):
        yield document_of(
            kind=kind,
            study=study,
            read=former.read,
            addendum=former.addendum,
            prediction=former.prediction,
            revision=times_moved(study),
        )


def _of_read(destination: Destination, study: Study) -> Iterator[Document]:
    report = None if OF_READER.isdisjoint(destination.sends) else report_of(study)
    if report is None or _signed_at(report) <= destination.created_at:
        return
    if Content.READS in destination.sends:
        addendum = last_addendum(report)
        of_read = {"study": study, "read": report.read, "addendum": addendum}
        for kind in _kinds_of_read(destination, report):
            is_report = kind == DocumentKind.REPORT
            revision = revision_of_read(destination, report.read, addendum) if is_report else 0
            yield document_of(kind=kind, revision=revision, **of_read)
    if Content.PRESENTATIONS in destination.sends:
        yield from _presentations(destination, report.read)


def _kinds_of_read(destination: Destination, report: Report) -> list[DocumentKind]:
    if destination.protocol == Protocol.HL7:
        return [DocumentKind.REPORT_HL7]
    if destination.protocol == Protocol.FHIR:
        return [DocumentKind.REPORT_FHIR]
    has_marks = bool(report.read.marks) or _has_marks_there(destination, report.read)
    return [DocumentKind.REPORT, DocumentKind.REPORT_MARKS] if has_marks else [DocumentKind.REPORT]


def _presentations(destination: Destination, read: Read) -> Iterator[Document]:
    """One for each image with graphics; an empty one where only a former read had some.

    Addenda have no graphics, so they belong to the read alone.
    """
    own = drawn_on(read)
    for number, image in enumerate(presented(read)):
        if image in own or _is_drawn_there(destination, read, image):
            yield document_of(
                kind=DocumentKind.PRESENTATION, study=read.study, read=read, revision=number
            )


def _is_drawn_there(destination: Destination, read: Read, image: uuid.UUID) -> bool:
    """Whether the last presentation state of an image that a destination has is not empty."""
    former = left(destination, read.study, DocumentKind.PRESENTATION).exclude(document__read=read)
    for delivery in former:
        earlier = delivery.document.read
        if earlier is not None and presented(earlier)[delivery.document.revision] == image:
            return image in drawn_on(earlier)
    return False


def _has_marks_there(destination: Destination, read: Read) -> bool:
    """Whether a destination has the marks of a former read, which an empty document replaces."""
    former = (
        left(destination, read.study, DocumentKind.REPORT_MARKS)
        .exclude(document__read=read)
        .first()
    )
    return former is not None and bool(former.document.read and former.document.read.marks)


def _has_region_there(destination: Destination, result: Prediction) -> bool:
    """Whether a destination has the region of a former result of the image."""
    there = left(destination, result.radiograph.study, DocumentKind.RESULT_REGION)
    of_image = there.filter(document__prediction__radiograph=result.radiograph)
    former = of_image.exclude(document__prediction=result).first()
    prediction = former.document.prediction if former is not None else None
    return prediction is not None and region_to_send(prediction) is not None


def _signed_at(report: Report) -> datetime:
    """The time of a report's last signature."""
    addendum = last_addendum(report)
    at = addendum.signed_at if addendum is not None else report.read.signed_at
    assert at is not None
    return at


def _of_results(destination: Destination, study: Study) -> Iterator[Document]:
    if OF_MODEL.isdisjoint(destination.sends):
        return
    results = results_to_send(study)
    for kind, result, revision in to_withdraw(destination, study, results):
        yield document_of(kind=kind, study=study, prediction=result, revision=revision)
    if not results or not may_send_results(study, destination):
        return
    if destination.protocol == Protocol.FHIR:
        newest = results[-1]
        revision = revision_to_send(destination, study, results, *OF_ALL_RESULTS)
        if kind_of_all := _kind_of_all(destination, study, newest, revision):
            yield document_of(kind=kind_of_all, study=study, prediction=newest, revision=revision)
        return
    for result in results:
        for kind in _kinds_of(destination, result):
            revision = revision_to_send(destination, study, [result], kind)
            yield document_of(kind=kind, study=study, prediction=result, revision=revision)


def _kinds_of(destination: Destination, result: Prediction) -> Iterator[DocumentKind]:
    if Content.RESULTS in destination.sends:
        yield DocumentKind.RESULT
        if region_to_send(result) is not None or _has_region_there(destination, result):
            yield DocumentKind.RESULT_REGION
    if Content.CAPTURES in destination.sends:
        yield DocumentKind.CAPTURE


def _kind_of_all(
    destination: Destination, study: Study, newest: Prediction, revision: int
) -> DocumentKind | None:
    """The kind of document for all results of a study; None if the destination has them already.

    It includes a preliminary report if the signed read will follow and replace it.
    """
    if Content.READS not in destination.sends:
        return DocumentKind.RESULT_FHIR
    if not is_reported(study):
        return DocumentKind.EARLY_FHIR
    early = Delivery.objects.filter(
        destination=destination,
        document__kind=DocumentKind.EARLY_FHIR,
        document__prediction=newest,
        document__revision=revision,
        state=DeliveryState.DELIVERED,
    )
    return None if early.exists() else DocumentKind.RESULT_FHIR
