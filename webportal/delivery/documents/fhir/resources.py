"""The resources of a transaction: Device, ImagingStudy, Observation and DiagnosticReport."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.sr.coding import Code

from webportal.delivery.documents.fhir.elements import (
    SYSTEMS,
    Json,
    accession_identifier,
    concept,
    filled,
    id_of,
    narrative,
    order,
    organization,
    own_identifier,
    patient,
    performed,
    reference,
    text,
    uid_coding,
    uid_identifier,
)
from webportal.delivery.documents.reports import uid_of
from webportal.delivery.documents.sources import MANUFACTURER
from webportal.inference.models import ModelVersion
from webportal.records.models import Radiograph, Series, Study

#: What the reports are reports of.
REPORT = Code("18748-4", "LN", "Diagnostic imaging study")
BY_MODEL = dicom_codes.DCM.ArtificialIntelligence
NOT_VERIFIED = "AI result, not verified by a radiologist"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"


def device(model: ModelVersion) -> Json:
    """A model version; its UID is that of the device observer in structured reports."""
    return {
        "resourceType": "Device",
        "id": id_of("model", model.pk),
        "identifier": [uid_identifier(uid_of("model", model.pk))],
        "status": "active",
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": text(model.name), "type": "model-name"}],
        "type": concept(BY_MODEL, words="Model that assesses chest radiographs for pneumonia"),
        "version": [{"value": text(model.version)}],
    }


def imaging_study(study: Study, images: Sequence[Radiograph]) -> Json:
    """A study with the series and instances on record."""
    series: dict[Series, list[Radiograph]] = {}
    for image in images:
        if image.series is not None:
            series.setdefault(image.series, []).append(image)
    modalities = sorted({image.modality for image in images})
    return filled(
        {
            "resourceType": "ImagingStudy",
            "id": id_of("study", study.pk),
            "identifier": [
                uid_identifier(study.study_instance_uid),
                *accession_identifier(study),
            ],
            "status": "available",
            "modality": [_modality(each) for each in modalities],
            "subject": patient(study.patient),
            "started": performed(study),
            "basedOn": order(study),
            "numberOfSeries": len(series) if all(image.series for image in images) else None,
            "numberOfInstances": len(images),
            "description": text(study.description),
            "series": [_series(each, found) for each, found in series.items()],
        }
    )


def _series(series: Series, images: Sequence[Radiograph]) -> Json:
    return filled(
        {
            "uid": series.series_instance_uid,
            "number": _unsigned(series.number),
            "modality": _modality(images[0].modality),
            "description": text(series.description),
            "numberOfInstances": len(images),
            "instance": [
                filled(
                    {
                        "uid": image.sop_instance_uid,
                        "sopClass": uid_coding(image.sop_class_uid),
                        "number": _unsigned(image.instance_number),
                    }
                )
                for image in images
            ],
        }
    )


def _modality(code: str) -> Json:
    return {"system": SYSTEMS["DCM"], "code": code}


def _unsigned(number: int | None) -> int | None:
    """Series and instance numbers may be negative in DICOM, but not in FHIR."""
    return number if number is not None and number >= 0 else None


def observation_id(study: Study, key: object) -> str:
    """The id of an observation on a study."""
    return id_of("observation", study.pk, key)


def observation(study: Study, key: object, status: str, code: Json, **more: Any) -> Json:
    """An observation on a study; `key` tells it from the others of the study."""
    identity = observation_id(study, key)
    return filled(
        {
            "resourceType": "Observation",
            "id": identity,
            "identifier": [own_identifier(identity)],
            "status": status,
            "category": [{"coding": [{"system": _CATEGORY, "code": "imaging"}]}],
            "code": code,
            "subject": patient(study.patient),
            "effectiveDateTime": performed(study),
            **more,
        }
    )


def diagnostic_report(
    study: Study,
    imaging: Json,
    results: Iterable[Json],
    status: str,
    issued: datetime,
    lines: Iterable[str],
    **more: Any,
) -> Json:
    """The report of a study, which is the same resource in all its states."""
    identity = id_of("report", study.pk)
    return filled(
        {
            "resourceType": "DiagnosticReport",
            "id": identity,
            "text": narrative(lines),
            "identifier": [own_identifier(identity)],
            "basedOn": order(study),
            "status": status,
            "category": [{"coding": [{"system": _SERVICE, "code": "RAD"}]}],
            "code": concept(REPORT),
            "subject": patient(study.patient),
            "effectiveDateTime": performed(study),
            "issued": instant(issued),
            "performer": [organization()],
            "result": [reference(each) for each in results],
            "imagingStudy": [reference(imaging)],
            **more,
        }
    )


def instant(at: datetime) -> str:
    """A time as FHIR has it."""
    return timezone.localtime(at).isoformat(timespec="milliseconds")


def image_references(imaging: Json, images: Iterable[Radiograph]) -> list[Json]:
    """What an observation is derived from: the study, and its images by SOP Instance UID."""
    instances = [
        {"type": "Media", "identifier": uid_identifier(image.sop_instance_uid)} for image in images
    ]
    return [reference(imaging), *instances]
