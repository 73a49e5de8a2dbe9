"""Documents sent under a former Patient ID, and their retraction.

The amended read and the results are sent again for the right patient, but nothing in the former
patient's record would show that its documents are somebody else's. So a study is recorded when its
Patient ID changes, and the patient named in each document that was sent is compared with it.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Subquery
from django.db.models.signals import post_save
from django.dispatch import receiver

from webportal.database.clock import clock
from webportal.delivery.models import (
    OF_FHIR,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
    MovedStudy,
    Protocol,
)
from webportal.records.identity import identity_version
from webportal.records.models import Patient, Study

#: The kinds that are sent as DICOM instances.
OF_DICOM = (
    DocumentKind.REPORT,
    DocumentKind.REPORT_MARKS,
    DocumentKind.PRESENTATION,
    DocumentKind.RESULT,
    DocumentKind.RESULT_REGION,
    DocumentKind.CAPTURE,
    DocumentKind.WITHDRAWN,
)
_BY_PROTOCOL: dict[str, DocumentKind] = {
    Protocol.DICOM: DocumentKind.RETRACTION,
    Protocol.DICOMWEB: DocumentKind.RETRACTION,
    Protocol.HL7: DocumentKind.RETRACTION_HL7,
    Protocol.FHIR: DocumentKind.RETRACTION_FHIR,
}
_RETRACTED: dict[DocumentKind, tuple[DocumentKind, ...]] = {
    DocumentKind.RETRACTION: OF_DICOM,
    DocumentKind.RETRACTION_HL7: (DocumentKind.REPORT_HL7,),
    DocumentKind.RETRACTION_FHIR: OF_FHIR,
}


@receiver(post_save, sender=Study)
def study_saved(
    instance: Study, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """The study may have been moved to another patient."""
    if not created and (update_fields is None or "patient" in update_fields):
        _record(instance)


@receiver(post_save, sender=Patient)
def patient_saved(
    instance: Patient, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """The Patient ID or its issuer may have changed."""
    if not created and (update_fields is None or {"patient_id", "issuer"} & update_fields):
        for study in Study.objects.filter(patient=instance).order_by("pk"):
            _record(study)


def _record(study: Study) -> None:
    """Record a study, without locking destinations, which others lock before the trail."""
    made = Document.objects.filter(study=study, made_at__isnull=False).defer("content")
    for kind, kinds in _RETRACTED.items():
        found = made.filter(kind__in=kinds)
        if any(not names_patient(kind, each, study.patient) for each in found):
            MovedStudy.objects.create(study=study, at=clock())
            return


def times_moved(study: Study) -> int:
    """How often a study's Patient ID has changed since documents of it were created."""
    return MovedStudy.objects.filter(study=study).count()


def to_retract(destination: Destination, study: Study) -> Iterator[tuple[DocumentKind, Document]]:
    """The documents sent to a destination under another Patient ID: the latest of each content."""
    if not times_moved(study):
        return
    kind = _BY_PROTOCOL[destination.protocol]
    deliveries = Delivery.objects.filter(
        destination=destination, document__study=study, attempts__gt=0
    ).exclude(state=DeliveryState.REJECTED)
    deliveries = deliveries.select_related("document").defer("document__content")
    at: dict[object, datetime] = {}
    for delivery in deliveries.filter(document__kind=kind).order_by("document__created_at"):
        at[_key(kind, delivery.document)] = delivery.document.created_at
    left = deliveries.filter(document__kind__in=_RETRACTED[kind]).order_by("-document__created_at")
    seen: set[object] = set()
    for delivery in left:
        document = delivery.document
        key = _key(kind, document)
        is_retracted = key in at and document.made_at is not None and document.made_at < at[key]
        if key in seen or is_retracted:
            continue
        if not names_patient(kind, document, study.patient):
            seen.add(key)
            yield kind, document


def _key(kind: DocumentKind, document: Document) -> object:
    """The key of what is retracted together: a read or a result; by FHIR, all of a study."""
    if kind == DocumentKind.RETRACTION_FHIR:
        return document.study_id
    return document.read_id, document.addendum_id, document.prediction_id


def retracted(document: Document) -> list[Document]:
    """The documents that a retraction concerns, oldest first; none if it is void by now."""
    kind = DocumentKind(document.kind)
    # Not later ones: these are of yet another patient, and have their own retraction.
    made = Document.objects.filter(
        study=document.study,
        kind__in=_RETRACTED[kind],
        made_at__isnull=False,
        created_at__lt=document.created_at,
    ).order_by("created_at")
    key, patient = _key(kind, document), document.study.patient
    of_key = [each for each in made if _key(kind, each) == key]
    return [each for each in of_key if not names_patient(kind, each, patient)]


def sent_since(document: Document, destination: Destination) -> list[Document]:
    """The documents sent by FHIR for the present patient after a retraction was due.

    The resources keep their ids, so a retraction sent again would withdraw them.
    """
    own = Delivery.objects.filter(destination=destination, document__study=document.study)
    due = own.filter(document=document).values("created_at")
    later = own.filter(
        document__kind__in=OF_FHIR, attempts__gt=0, created_at__gt=Subquery(due)
    ).exclude(state=DeliveryState.REJECTED)
    found = [each.document for each in later.select_related("document")]
    patient = document.study.patient
    return [each for each in found if names_patient(DocumentKind.RETRACTION_FHIR, each, patient)]


def record_if_moved(document: Document) -> None:
    """Record a study whose Patient ID changed while a document of it was being created.

    The transaction that changed it could not see the document yet.
    """
    study = Study.objects.select_related("patient").filter(pk=document.study_id).first()
    if study is None or identity_version(study.patient) == document.identity:
        return
    if not MovedStudy.objects.filter(study=study, at__gt=document.made_at).exists():
        _record(study)


def names_patient(kind: DocumentKind, document: Document, patient: Patient) -> bool:
    """Whether a document has the present ID of a patient."""
    return _names(kind, document.pk, document.sha256, patient.patient_id, patient.issuer)


@lru_cache(maxsize=10_000)
def _names(
    kind: DocumentKind, document_id: UUID, sha256: str, patient_id: str, issuer: str
) -> bool:
    """Whether the content with this checksum names the patient; cached for the outbox."""
    # Imported here: highdicom is slow to import, and every process connects the signals above.
    from webportal.delivery.documents import retractions

    names = {
        DocumentKind.RETRACTION: retractions.dicom_names,
        DocumentKind.RETRACTION_HL7: retractions.hl7_names,
        DocumentKind.RETRACTION_FHIR: retractions.fhir_names,
    }
    content = Document.objects.values_list("content", flat=True).get(pk=document_id)
    return names[kind](bytes(content or b""), Patient(patient_id=patient_id, issuer=issuer))
