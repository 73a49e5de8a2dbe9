"""Instances as sent to callers: the stored bytes, with patient and study as recorded.

Stored files never change. If the patient or study has been corrected since, or the file lacks
attributes that DICOM requires, a corrected copy is sent.
"""

from datetime import date, time
from io import BytesIO
from typing import Any

import pydicom
from django.utils import timezone
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset

from ml import images
from ml.images import ImageFacts
from ml.images.parsing import parse
from ml.images.transcoding import as_file, explicit_little_endian, stored_frame
from webportal.dicomweb.elements import written_time
from webportal.dicomweb.search import CHARACTER_SET
from webportal.intake.claimed_identity import identity_in_header, recorded_identity
from webportal.records.identity import attributes_of
from webportal.records.models import Radiograph, Study

Moment = tuple[date | None, time]
_PREAMBLE, _PREFIX = 128, b"DICM"
# Other patient attributes, which are wrong once the image has been assigned to another patient.
_OF_THE_PATIENT = (
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientBirthTime",
    "PatientMotherBirthName",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientComments",
    "EthnicGroup",
    "Occupation",
    "AdditionalPatientHistory",
    "MedicalRecordLocator",
    "MilitaryRank",
    "BranchOfService",
    "PatientReligiousPreference",
    "CountryOfResidence",
    "RegionOfResidence",
    "AdmissionID",
    "ResponsiblePerson",
)


class Instance:
    """A stored instance, read from its file. Raises ImageError if that is unreadable.

    `syntax` is the actual transfer syntax of its pixels, `data_set` the data set to send.
    """

    def __init__(self, radiograph: Radiograph, data: bytes) -> None:
        self._data = data
        facts = images.describe(data)
        self.data_set: FileDataset = parse(data)
        self.syntax = str(self.data_set.file_meta.TransferSyntaxUID)
        self._is_as_stored = _is_complete_file(data, self.syntax) and not _differs(
            radiograph, facts
        )
        if not self._is_as_stored:
            _set_recorded(self.data_set, radiograph, facts)

    def file(self, syntax: str) -> bytes:
        """Return it as a DICOM file, in its own transfer syntax or in Explicit VR Little Endian.

        The stored bytes are returned unchanged if possible. Raises ImageError.
        """
        if self._is_as_stored and syntax == self.syntax:
            return self._data
        self._convert(syntax)
        return as_file(self.data_set)

    def frame(self, syntax: str) -> bytes:
        """Return its frame in one of the same two transfer syntaxes. Raises ImageError."""
        self._convert(syntax)
        return stored_frame(self.data_set)

    def bulk_data(self, tag: int) -> bytes | None:
        """Return the value of a binary element; None if there is none."""
        value = self.data_set[tag].value if tag in self.data_set else None
        return value if isinstance(value, bytes) else None

    def _convert(self, syntax: str) -> None:
        if syntax != self.syntax:
            explicit_little_endian(self.data_set)


def _is_complete_file(data: bytes, syntax: str) -> bool:
    """Whether it has preamble and File Meta Information with the actual transfer syntax."""
    if data[_PREAMBLE : _PREAMBLE + len(_PREFIX)] != _PREFIX:
        return False
    start = pydicom.dcmread(
        BytesIO(data), stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True
    )
    return str(start.file_meta.get("TransferSyntaxUID", "")) == syntax


def _differs(radiograph: Radiograph, facts: ImageFacts) -> bool:
    study = radiograph.study
    return (
        identity_in_header(facts) != recorded_identity(study.patient)
        or facts.study_instance_uid != study.study_instance_uid
        or facts.accession_number != study.accession_number
        or _moment_in(facts) != _recorded_moment(study)
        or facts.series_instance_uid != _series_uid(radiograph)
    )


def _moment_in(facts: ImageFacts) -> Moment:
    day = facts.study_date
    return (day, facts.study_time or time()) if day else (None, time())


def _recorded_moment(study: Study) -> Moment:
    """Date and time of the study; midnight means that only the date is known."""
    if study.performed_at is None:
        return None, time()
    at = timezone.localtime(study.performed_at)
    return at.date(), at.time()


def _series_uid(radiograph: Radiograph) -> str:
    return radiograph.series.series_instance_uid if radiograph.series else ""


def _set_recorded(dataset: Dataset, radiograph: Radiograph, facts: ImageFacts) -> None:
    """Set patient and study of a data set to the recorded values."""
    study, patient = radiograph.study, radiograph.study.patient
    values: dict[str, Any] = attributes_of(patient) | {
        "StudyInstanceUID": study.study_instance_uid,
        "AccessionNumber": study.accession_number,
        "SeriesInstanceUID": _series_uid(radiograph),
    }
    day, at = moment = _recorded_moment(study)
    if moment != _moment_in(facts):
        values["StudyDate"] = f"{day:%Y%m%d}" if day else ""
        values["StudyTime"] = written_time(at) if at != time() else ""
    if not "".join(values.values()).isascii():
        # The file's character set may not cover the recorded values.
        dataset.decode()
        dataset.SpecificCharacterSet = CHARACTER_SET
    if facts.patient_id and (facts.patient_id, facts.issuer_of_patient_id) != (
        patient.patient_id,
        patient.issuer,
    ):
        for keyword in _OF_THE_PATIENT:
            if keyword in dataset:
                delattr(dataset, keyword)
    for keyword, value in values.items():
        setattr(dataset, keyword, uid.UID(value) if keyword.endswith("InstanceUID") else value)
    if not patient.issuer:
        del dataset.IssuerOfPatientID
