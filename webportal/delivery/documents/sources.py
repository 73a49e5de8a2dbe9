"""The common modules of a study's DICOM documents: patient, study, images and equipment."""

from dataclasses import dataclass
from datetime import time
from io import BytesIO
from typing import Any

import pydicom
from django.utils import timezone
from highdicom import ContributingEquipment
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dicom_codes

from ml.images.parsing import parse
from webportal.inference.models import ModelVersion
from webportal.records.files import read_dicom
from webportal.records.identity import attributes_of
from webportal.records.models import Radiograph, Study
from webportal.version import VERSION

MANUFACTURER = "Chestline"
_OF_FILE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Rows",
    "Columns",
    "StudyID",
    "ReferringPhysicianName",
    "StudyDescription",
    "PatientOrientation",
)


@dataclass(frozen=True)
class SeriesPlace:
    """A document's series, and its instance number there."""

    series_instance_uid: str
    series_number: int
    sop_instance_uid: str
    instance_number: int


def source_of(radiograph: Radiograph) -> Dataset:
    """Return an image's header with patient and study as recorded in the portal.

    The stored file may predate an identity correction. Raises StoredFileError.
    """
    header = parse(read_dicom(radiograph), stop_before_pixels=True)
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _OF_FILE:
        if keyword in header:
            setattr(found, keyword, header.get(keyword))
    describe_study(found, radiograph.study)
    return found


def describe_study(ds: Dataset, study: Study) -> None:
    """Set patient and study of a data set to the recorded values."""
    patient = study.patient
    known = attributes_of(patient) | {"PatientName": _divided(patient.name)}
    for keyword, value in known.items():
        setattr(ds, keyword, value)
    if not patient.issuer:
        del ds.IssuerOfPatientID
    ds.StudyInstanceUID = study.study_instance_uid
    ds.AccessionNumber = study.accession_number
    ds.StudyID = ds.get("StudyID", "")
    ds.ReferringPhysicianName = _divided(str(ds.get("ReferringPhysicianName", "")))
    ds.StudyDate, ds.StudyTime = day_and_time(study)


def with_study_on_record(file: bytes, study: Study) -> bytes:
    """Return a DICOM file with patient and study as recorded now: the same bytes if it has them."""
    present, as_made = (pydicom.dcmread(BytesIO(file)) for _ in range(2))
    describe_study(present, study)
    return file if present == as_made else file_of(present)


def day_and_time(study: Study) -> tuple[str, str]:
    """When a study was performed, in local time, as DICOM DA and TM; empty if unknown.

    Midnight is the time of a study of which only the day is known.
    """
    if study.performed_at is None:
        return "", ""
    at = timezone.localtime(study.performed_at)
    return f"{at:%Y%m%d}", f"{at:%H%M%S}" if at.time() != time() else ""


def _divided(name: str) -> str:
    """A person name with a delimiter, which changes nothing in it (PS3.5 6.2.1).

    highdicom quotes a name without one in a warning, which would end up in the logs.
    """
    if not name or "^" in name:
        return name
    alphabetic, *others = name.split("=")
    return "=".join([f"{alphabetic}^", *others])


def portal_equipment() -> ContributingEquipment:
    """The portal as the equipment that created a document."""
    return _equipment("Chestline", VERSION, "Wrote the document")


def model_equipment(model: ModelVersion) -> ContributingEquipment:
    """A model version as the device that assessed an image (IHE AIR)."""
    return _equipment(model.name, model.version, "Assessed the image; not verified by a person")


def _equipment(name: str, version: str, contribution: str) -> ContributingEquipment:
    return ContributingEquipment(
        MANUFACTURER,
        dicom_codes.DCM.ProcessingEquipment,
        manufacturer_model_name=name,
        software_versions=version,
        contribution_description=contribution,
    )


def file_of(dataset: Any) -> bytes:
    """Return a data set as a DICOM file."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
