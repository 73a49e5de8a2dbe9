"""Creates documents: once, unless the patient's identity is corrected before they are sent."""

import hashlib
from collections.abc import Sequence

from django.conf import settings
from pydicom.uid import (
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
)

from webportal.database.clock import clock
from webportal.delivery.documents import captures, hl7, hottest, presentations, reports, retractions
from webportal.delivery.documents.drawn import presented
from webportal.delivery.documents.fhir.reads import read_transaction
from webportal.delivery.documents.fhir.results import results_transaction, withdrawal_transaction
from webportal.delivery.documents.reports import VerifyingObserver, uid_of
from webportal.delivery.documents.sources import SeriesPlace, source_of, with_study_on_record
from webportal.delivery.models import (
    OF_FHIR,
    RETRACTIONS,
    WITHDRAWALS,
    Destination,
    Document,
    DocumentKind,
)
from webportal.delivery.predecessors import previous
from webportal.delivery.release import ObsoleteError, results_to_send
from webportal.delivery.retractions import OF_DICOM, retracted, sent_since
from webportal.records.identity import identity_version
from webportal.review.models import Addendum, Read
from webportal.review.reads.marks import parse_marks
from webportal.review.reads.queries import earlier_addenda

#: Series numbers, above those that modalities use.
_SERIES = {
    DocumentKind.REPORT: 9001,
    DocumentKind.REPORT_MARKS: 9002,
    DocumentKind.RESULT: 9003,
    DocumentKind.RESULT_REGION: 9004,
    DocumentKind.CAPTURE: 9005,
    DocumentKind.WITHDRAWN: 9006,
    DocumentKind.RETRACTION: 9007,
    DocumentKind.PRESENTATION: 9008,
}
#: SOP classes of other documents than reports.
_SOP_CLASSES = {
    DocumentKind.CAPTURE: SecondaryCaptureImageStorage,
    DocumentKind.PRESENTATION: GrayscaleSoftcopyPresentationStateStorage,
}


def make(document: Document, destination: Destination | None = None) -> None:
    """Create a document's content. Raises StoredFileError, or ObsoleteError if there is none.

    A FHIR retraction depends on what the destination has by now, so it is created each time. Other
    documents are the same for every destination. One that was made to be retrieved by
    DICOMweb, perhaps long before, gets the study as on record before it leaves.
    """
    identity = identity_version(document.study.patient)
    is_made = document.content is not None and document.identity == identity
    if is_made and document.kind in OF_DICOM and not _has_left(document):
        content = with_study_on_record(bytes(document.content or b""), document.study)
    elif is_made and document.kind != DocumentKind.RETRACTION_FHIR:
        return
    elif document.kind in RETRACTIONS:
        content = _retraction(document, identity, destination)
    elif document.kind == DocumentKind.REPORT_HL7:
        content = _message(document)
    elif document.kind in OF_FHIR:
        content = _transaction(document)
    else:
        content = _instance(document, identity)
    document.identity, document.content = identity, content
    document.sha256 = hashlib.sha256(content).hexdigest()
    document.made_at = clock()
    document.save()


def _has_left(document: Document) -> bool:
    """Whether a destination has the document, or may have it."""
    return document.deliveries.filter(attempts__gt=0).exists()


def _retraction(document: Document, identity: str, destination: Destination | None) -> bytes:
    """Create a retraction. Raises ObsoleteError if nothing is left to retract."""
    contents = [bytes(each.content or b"") for each in retracted(document)]
    if not contents:
        raise ObsoleteError
    if document.kind == DocumentKind.RETRACTION_HL7:
        control_id = document.pk.hex[:20]
        return retractions.message(contents[-1], control_id, document.created_at)
    if document.kind == DocumentKind.RETRACTION_FHIR:
        since = sent_since(document, destination) if destination is not None else []
        later = [bytes(each.content or b"") for each in since]
        left = retractions.withdrawn_transaction(contents, later)
        if not left:
            raise ObsoleteError
        return left
    place = _place(document, identity)
    document.sop_instance_uid = place.sop_instance_uid
    document.series_instance_uid = place.series_instance_uid
    document.sop_class_uid = KeyObjectSelectionDocumentStorage
    return retractions.rejection_note(contents, place)


def _message(document: Document) -> bytes:
    read = document.read
    assert read is not None
    addenda = _addenda(read, document.addendum)
    # MSH-10 has at most 20 characters.
    control_id = document.pk.hex[:20]
    return hl7.read_message(document.study, read, addenda, control_id, document.created_at)


def _transaction(document: Document) -> bytes:
    study, read = document.study, document.read
    if document.kind in WITHDRAWALS:
        assert document.prediction is not None
        with_report = document.kind == DocumentKind.NO_EARLY_FHIR
        return withdrawal_transaction(study, document.prediction, with_report=with_report)
    if read is None:
        with_report = document.kind == DocumentKind.EARLY_FHIR
        return results_transaction(study, results_to_send(study), with_report=with_report)
    made = Document.objects.filter(study=study, kind=document.kind).exclude(made_at=None)
    former = Read.objects.filter(pk__in=made.values("read")).exclude(pk=read.pk)
    return read_transaction(
        study, read, _addenda(read, document.addendum), list(former.order_by("signed_at"))
    )


def _instance(document: Document, identity: str) -> bytes:
    """Create a DICOM instance, and record its series and instance number."""
    place = _place(document, identity)
    document.sop_instance_uid = place.sop_instance_uid
    document.series_instance_uid = place.series_instance_uid
    document.sop_class_uid = _SOP_CLASSES.get(DocumentKind(document.kind), ComprehensiveSRStorage)
    return _content(document, place)


def _place(document: Document, identity: str) -> SeriesPlace:
    kind, study = DocumentKind(document.kind), document.study
    what = (document.read_id, document.addendum_id, document.prediction_id, identity)
    again = (document.revision,) if document.revision else ()
    earlier = Document.objects.filter(study=study, kind=kind, created_at__lt=document.created_at)
    return SeriesPlace(
        series_instance_uid=uid_of("series", study.study_instance_uid, kind),
        series_number=_SERIES[kind],
        sop_instance_uid=uid_of("instance", kind, *what, *again),
        instance_number=earlier.count() + 1,
    )


def _content(document: Document, place: SeriesPlace) -> bytes:
    if document.prediction is not None:
        return _of_result(document, place)
    read = document.read
    assert read is not None
    addenda = _addenda(read, document.addendum)
    verified = _verifications(read, addenda)
    if document.kind == DocumentKind.PRESENTATION:
        return _presentation(document, read, place, verified[0])
    before = previous(document)
    sources = {each.pk: source_of(each) for each in document.study.radiographs.all()}
    if document.kind == DocumentKind.REPORT_MARKS:
        marks = parse_marks(read.marks)
        return reports.read_marks(read, marks, sources, place, verified, before)
    return reports.read_report(read, addenda, sources, place, verified, before)


def _presentation(
    document: Document, read: Read, place: SeriesPlace, verified: VerifyingObserver
) -> bytes:
    """Create a presentation state. Raises ObsoleteError if the image cannot have one."""
    image = presented(read)[document.revision]
    radiograph = document.study.radiographs.filter(pk=image).first()
    if radiograph is None:
        raise ObsoleteError
    try:
        source = source_of(radiograph)
        return presentations.presentation(read, radiograph, source, place, verified)
    except presentations.InColourError:
        raise ObsoleteError("in_colour") from None


def _of_result(document: Document, place: SeriesPlace) -> bytes:
    prediction = document.prediction
    assert prediction is not None
    source = source_of(prediction.radiograph)
    if document.kind == DocumentKind.CAPTURE:
        return captures.capture(prediction, source, place)
    before = previous(document)
    if document.kind == DocumentKind.WITHDRAWN:
        return reports.withdrawal(prediction, source, place, before)
    if document.kind == DocumentKind.RESULT:
        return reports.result_report(prediction, source, place, before)
    region = hottest.region_to_send(prediction)
    if region is None and not before:
        raise ObsoleteError
    return reports.result_region(prediction, region, source, place, before)


def _addenda(read: Read, last: Addendum | None) -> list[Addendum]:
    """The addenda that a document contains: its own up to the last, then those to earlier reads."""
    earlier = list(earlier_addenda(read))
    if last is None:
        return earlier
    own = read.addenda.filter(signed_at__lte=last.signed_at).select_related("author")
    return [*own, *earlier]


def _verifications(read: Read, addenda: Sequence[Addendum]) -> list[VerifyingObserver]:
    assert read.signed_at is not None
    organization = settings.ORGANIZATION
    return [
        VerifyingObserver(read.reader, organization, read.signed_at),
        *(
            VerifyingObserver(each.author, organization, each.signed_at)
            for each in addenda
            if each.read_id == read.pk
        ),
    ]
