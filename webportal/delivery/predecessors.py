"""What a document names in its Predecessor Documents Sequence (PS3.3 C.17.2).

Those are the documents whose content it includes, with or without modification: the former version
of the same, and for a signed read also the result of the model that its reader confirmed or
overruled. What was read blind or unaided includes nothing of a result.

A destination must not be told of a result that it is not sent, but a document is the same for all
of them. So there are two of such a read, which differ in nothing else: one names the result, and
goes to destinations that have it.
"""

from django.db.models import QuerySet
from pydicom.dataset import Dataset

from webportal.delivery.models import (
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.delivery.retractions import times_moved
from webportal.delivery.revisions import revision_with_cautions
from webportal.inference.models import Prediction
from webportal.records.models import Study
from webportal.review.models import Addendum, Decision, Read

#: The `revision` of a read's document that names a result, and of one that does not.
NAMES_RESULT, NAMES_NONE = 1, 0
#: What a document supersedes: the latest of each group of kinds; others only those of their kind.
_SUPERSEDES: dict[DocumentKind, list[list[DocumentKind]]] = {
    DocumentKind.RESULT: [[DocumentKind.RESULT, DocumentKind.WITHDRAWN]],
    DocumentKind.WITHDRAWN: [[DocumentKind.RESULT], [DocumentKind.RESULT_REGION]],
}
_NOT_THERE = (DeliveryState.REJECTED, DeliveryState.CANCELLED)


def revision_of_read(destination: Destination, read: Read, addendum: Addendum | None) -> int:
    """Which document of a read a destination is sent; the one that it has, or that waits.

    A result that waits leaves before the read, which is after it in the outbox.
    """
    own = destination.deliveries.select_related("document").defer("document__content")
    planned = own.filter(
        document__kind=DocumentKind.REPORT, document__read=read, document__addendum=addendum
    ).first()
    if planned is not None:
        return planned.document.revision
    result = _decided_on(read)
    if result is None:
        return NAMES_NONE
    there = own.filter(document__in=_of_image(result)).exclude(state__in=_NOT_THERE)
    last = there.order_by("-document__created_at").first()
    return NAMES_RESULT if last is not None and _is_of(last.document, result) else NAMES_NONE


def revision_to_retrieve(read: Read, addendum: Addendum | None) -> int:
    """The document of a read that DICOMweb returns: the one that destinations get, if any."""
    own = Document.objects.filter(kind=DocumentKind.REPORT, read=read, addendum=addendum)
    sent = own.filter(deliveries__isnull=False).order_by("-revision")
    made = own.filter(made_at__isnull=False).order_by("made_at")
    known = sent.first() or made.first()
    if known is not None:
        return known.revision
    result = _decided_on(read)
    return NAMES_RESULT if result is not None and _made_of(result) is not None else NAMES_NONE


def revision_of_result(study: Study, result: Prediction, kind: DocumentKind) -> int:
    """The valid revision of a result's document, whichever destination has it.

    A withdrawal that has left, or may have, names the former ones as superseded.
    """
    own = Document.objects.filter(study=study, prediction=result)
    withdrawn = own.filter(kind=DocumentKind.WITHDRAWN, made_at__isnull=False)
    known = [
        *own.filter(kind=DocumentKind.RESULT).values_list("revision", flat=True),
        *(revision + 1 for revision in withdrawn.values_list("revision", flat=True)),
    ]
    latest = max([times_moved(study), *known])
    return revision_with_cautions(study, [result], [kind], latest)


def previous(document: Document) -> list[Dataset]:
    """References to what a document names, of what had been made when it was entered."""
    made = Document.objects.filter(
        study=document.study, created_at__lt=document.created_at
    ).exclude(made_at=None)
    if document.prediction is not None:
        of_image = made.filter(prediction__radiograph=document.prediction.radiograph)
        kind = DocumentKind(document.kind)
        groups = _SUPERSEDES.get(kind, [[kind]])
        named = [of_image.filter(kind__in=each).order_by("-created_at").first() for each in groups]
    else:
        named = [_former(document, made), _result_in(document)]
    return [_reference(each) for each in named if each is not None]


def _former(document: Document, made: QuerySet[Document]) -> Document | None:
    """The document of the former read, or of the same one before its last addendum."""
    others = made.filter(kind=document.kind)
    others = others.exclude(read=document.read, addendum=document.addendum)
    latest = others.order_by("-created_at").first()
    if latest is None:
        return None
    # If there are two, a destination that gets this one has had that of the same revision.
    alike = others.filter(
        read=latest.read, addendum=latest.addendum, revision=document.revision
    ).first()
    return alike or latest


def _result_in(document: Document) -> Document | None:
    """The result whose assessment a document of a read includes."""
    read = document.read
    if document.kind != DocumentKind.REPORT or document.revision != NAMES_RESULT or read is None:
        return None
    result = _decided_on(read)
    return _made_of(result) if result is not None else None


def _decided_on(read: Read) -> Prediction | None:
    """The result that the reader has seen and confirmed or overruled."""
    return read.prediction if read.decision in (Decision.CONFIRM, Decision.OVERRULE) else None


def _made_of(result: Prediction) -> Document | None:
    """The document of a result, unless it is superseded or withdrawn, or was never made."""
    last = _of_image(result).filter(made_at__isnull=False).order_by("-created_at").first()
    return last if last is not None and _is_of(last, result) else None


def _of_image(result: Prediction) -> QuerySet[Document]:
    """The documents about the image of a result."""
    return Document.objects.filter(
        study=result.radiograph.study_id,
        prediction__radiograph=result.radiograph,
        kind__in=(DocumentKind.RESULT, DocumentKind.WITHDRAWN),
    )


def _is_of(document: Document, result: Prediction) -> bool:
    return document.kind == DocumentKind.RESULT and document.prediction_id == result.pk


def _reference(document: Document) -> Dataset:
    reference = Dataset()
    reference.StudyInstanceUID = document.study.study_instance_uid
    reference.SeriesInstanceUID = document.series_instance_uid
    reference.SOPInstanceUID = document.sop_instance_uid
    reference.SOPClassUID = document.sop_class_uid
    return reference
