"""Retractions of documents sent for the wrong patient, as each protocol expresses them.

They are made from the documents that were sent, because they have to name the patient in those.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO

import pydicom
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import FileDataset
from pydicom.sr.coding import Code
from pydicom.uid import SecondaryCaptureImageStorage

from webportal.delivery.documents import hl7
from webportal.delivery.documents.fhir.elements import Json, narrative
from webportal.delivery.documents.fhir.elements import patient as fhir_patient
from webportal.delivery.documents.fhir.transactions import transaction
from webportal.delivery.documents.sources import (
    MANUFACTURER,
    SeriesPlace,
    file_of,
    portal_equipment,
)
from webportal.records.models import Patient

#: IHE IOCM: the title of a rejection note on what is dangerous for a patient (PS3.16 CID 7011).
REJECTED = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
#: OBX-11 (table 0085): wrong, for example transmitted for the wrong patient.
WRONG = "W"
#: The FHIR status of all resources about the wrong patient.
IN_ERROR = "entered-in-error"
#: The elements of a resource that name the patient.
_SAYS = (
    "conclusion",
    "conclusionCode",
    "component",
    "result",
    "text",
    "valueCodeableConcept",
    "valueString",
)
WORDS = "Issued for the wrong patient. Do not use."


def dicom_names(content: bytes, patient: Patient) -> bool:
    """Whether a DICOM document has the present ID of a patient."""
    found = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
    return _is_of(found, patient.patient_id, patient.issuer)


def _is_of(dataset: FileDataset, patient_id: str, issuer: str) -> bool:
    """Whether a document has a Patient ID; heat maps of earlier releases name no issuer.

    Padding does not count (VR LO).
    """
    said = str(dataset.get("IssuerOfPatientID") or "").strip(" ")
    is_issuer = said == issuer.strip(" ") or (not said and _is_image(dataset))
    return str(dataset.get("PatientID") or "").strip(" ") == patient_id.strip(" ") and is_issuer


def _is_image(dataset: FileDataset) -> bool:
    return bool(dataset.SOPClassUID == SecondaryCaptureImageStorage)


def hl7_names(content: bytes, patient: Patient) -> bool:
    """Whether an HL7 message has the present ID of a patient."""
    present = hl7.identifier_of(patient)
    return any(each[0] == "PID" and each[3] == present for each in _segments(content))


def fhir_names(content: bytes, patient: Patient) -> bool:
    """Whether a FHIR transaction has the present ID of a patient."""
    subjects = [each["subject"] for each in _resources(content) if "subject" in each]
    present = fhir_patient(patient)["identifier"]
    keys = ("value", "assigner")
    return all(
        [each["identifier"].get(key) for key in keys] == [present.get(key) for key in keys]
        for each in subjects
    )


def rejection_note(contents: Sequence[bytes], place: SeriesPlace) -> bytes:
    """A Key Object Selection that rejects documents (IHE IOCM), for the patient of the last one.

    Documents that name yet another patient were rejected before.
    """
    found: list[FileDataset] = [pydicom.dcmread(BytesIO(each)) for each in contents]
    last = next((each for each in reversed(found) if not _is_image(each)), found[-1])
    patient = (str(last.get("PatientID") or ""), str(last.get("IssuerOfPatientID") or ""))
    rejected = [each for each in found if _is_of(each, *patient)]
    note = KeyObjectSelectionDocument(
        evidence=rejected,
        content=KeyObjectSelection(
            document_title=REJECTED, referenced_objects=rejected, description=WORDS
        ),
        series_instance_uid=place.series_instance_uid,
        series_number=place.series_number,
        sop_instance_uid=place.sop_instance_uid,
        instance_number=place.instance_number,
        manufacturer=MANUFACTURER,
        contributing_equipment=[portal_equipment()],
    )
    note.SeriesDescription = "Rejected: wrong patient"
    return file_of(note)


def message(content: bytes, control_id: str, at: datetime) -> bytes:
    """The message with every observation marked as wrong, for the same patient."""
    segments = _segments(content)
    for fields in segments:
        if fields[0] == "MSH":
            fields[6], fields[9] = hl7.moment(at), control_id
        elif fields[0] == "OBR":
            fields[25] = "C"
        elif fields[0] == "OBX":
            fields[11] = WRONG
    return "".join("|".join(fields) + "\r" for fields in segments).encode()


def _segments(content: bytes) -> list[list[str]]:
    return [line.split("|") for line in content.decode().split("\r") if line]


def withdrawn_transaction(contents: Sequence[bytes], later: Sequence[bytes]) -> bytes:
    """The resources of transactions, the latest last, as entered in error and without content.

    Without those that `later` transactions have replaced, which are the right patient's. Empty if
    none is left.
    """
    replaced = {each["id"] for content in later for each in _resources(content)}
    resources = [each for content in contents for each in _resources(content)]
    latest = {each["id"]: each for each in resources if each["id"] not in replaced}
    if all(each["resourceType"] == "Device" for each in latest.values()):
        return b""
    order = [each for each in _resources(contents[-1]) if each["id"] in latest]
    earlier = [each for each in latest.values() if each["id"] not in {one["id"] for one in order}]
    # Not a device last: the last resource shows whether a server has the transaction.
    devices_first = sorted([*earlier, *order], key=lambda each: each["resourceType"] != "Device")
    return transaction([_in_error(each) for each in devices_first])


def _resources(content: bytes) -> list[Json]:
    return [entry["resource"] for entry in json.loads(content)["entry"]]


def _in_error(resource: Json) -> Json:
    """A resource reduced to its patient and the fact that it was an error."""
    kind = resource["resourceType"]
    if kind == "Device":
        return resource
    left = {name: value for name, value in resource.items() if name not in _SAYS}
    left["status"] = IN_ERROR
    if kind == "DiagnosticReport":
        left |= {"conclusion": WORDS, "text": narrative([WORDS])}
    return left
