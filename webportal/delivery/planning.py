"""Fills the outbox with new signed reads and results, for each destination.

A signature can be taken back for half a minute, and results are written by workers that know
nothing of destinations. So neither writes to the outbox: it is derived from signed reads, addenda
and results by an idempotent query, which keeps existing rows.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from webportal.database.clock import clock
from webportal.delivery.documents.hottest import hottest_region
from webportal.delivery.models import Content, Delivery, Destination, Document, Kind, Protocol
from webportal.delivery.release import last_addendum, may_send_results, results_to_send
from webportal.inference.models import Job, JobState, Prediction
from webportal.records.choices import Category
from webportal.records.models import Study
from webportal.review.models import Addendum
from webportal.review.reads.standing import final_reads
from webportal.review.reports.content import Report, report_of

# Signatures become final some time after signing, and transactions become visible on commit.
OVERLAP = timedelta(minutes=10)
OF_MODEL = {Content.RESULTS, Content.CAPTURES}


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
    added = sum(
        _plan_study(destination, study)
        for study in studies.select_related("patient").order_by("created_at").iterator(100)
    )
    Destination.objects.filter(pk=destination.pk).update(looked_until=now)
    return added


def _studies(destination: Destination, since: datetime) -> Iterator[uuid.UUID]:
    """Studies with a signature or result for which this destination has no row."""
    own = Delivery.objects.filter(destination=destination)
    final = final_reads().filter(signed_at__gt=since)
    if Content.READS in destination.sends:
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
        missing = Prediction.objects.filter(~Exists(of_result), is_current=True)
        for found in (
            missing.filter(job__in=jobs.values("pk")),
            missing.filter(radiograph__study__in=closed),
        ):
            yield from found.values_list("radiograph__study", flat=True)


@transaction.atomic
def _plan_study(destination: Destination, study: Study) -> int:
    documents = [*_of_read(destination, study), *_of_results(destination, study)]
    now = clock()
    added = 0
    for document in documents:
        _delivery, is_new = Delivery.objects.get_or_create(
            destination=destination, document=document, defaults={"next_attempt_at": now}
        )
        added += is_new
    return added


def _of_read(destination: Destination, study: Study) -> Iterator[Document]:
    report = report_of(study) if Content.READS in destination.sends else None
    if report is None or _signed_at(report) <= destination.created_at:
        return
    for kind in _kinds_of_read(destination, report):
        yield _document(kind=kind, study=study, read=report.read, addendum=last_addendum(report))


def _kinds_of_read(destination: Destination, report: Report) -> list[Kind]:
    if destination.protocol == Protocol.HL7:
        return [Kind.REPORT_HL7]
    return [Kind.REPORT, Kind.REPORT_MARKS] if report.read.marks else [Kind.REPORT]


def _signed_at(report: Report) -> datetime:
    """The time of a report's last signature."""
    addendum = last_addendum(report)
    at = addendum.signed_at if addendum is not None else report.read.signed_at
    assert at is not None
    return at


def _of_results(destination: Destination, study: Study) -> Iterator[Document]:
    if OF_MODEL.isdisjoint(destination.sends) or not may_send_results(study, destination):
        return
    for result in results_to_send(study):
        for kind in _kinds_of(destination, result):
            yield _document(kind=kind, study=study, prediction=result)


def _kinds_of(destination: Destination, result: Prediction) -> Iterator[Kind]:
    if Content.RESULTS in destination.sends:
        yield Kind.RESULT
        if result.shown_category != Category.UNLIKELY and hottest_region(result) is not None:
            yield Kind.RESULT_REGION
    if Content.CAPTURES in destination.sends:
        yield Kind.CAPTURE


def _document(**what: Any) -> Document:
    named = {"read": None, "addendum": None, "prediction": None} | what
    return Document.objects.get_or_create(**named)[0]
