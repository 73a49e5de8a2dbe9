"""Repair: a file sent again replaces one that the storage has lost or damaged."""

import hashlib
from dataclasses import dataclass

from django.utils import timezone

from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.inference.faults import analyse_again
from webportal.intake import blobs
from webportal.intake.checks import image_file, wrapping
from webportal.intake.models import UploadItem, Verdict
from webportal.intake.pipeline import store
from webportal.intake.pipeline.upload import Upload
from webportal.records import file_faults
from webportal.records.models import Radiograph
from webportal.storage import quarantine

REPAIRED = "repaired"


@dataclass(frozen=True)
class _Part:
    """A stored file belonging to an upload: its key, and the hash it must have."""

    key: str
    sha256: str
    is_wrapped: bool = False


def repair(upload: Upload, item: UploadItem) -> None:
    """Restore the missing or damaged files of `item` from the same bytes.

    Damaged files are kept in quarantine. If the analysis failed because of the file, the image is
    queued again.
    """
    faulty = [part for part in _parts(upload, item) if file_faults.fault_of(part.key, part.sha256)]
    if not faulty:
        return
    radiograph = item.radiograph
    wrapped = b""
    if radiograph is not None and any(part.is_wrapped for part in faulty):
        wrapped = _wrap_again(upload, radiograph)
    with store.storing_exclusively([upload.sha256]) as put:
        events = []
        for part in faulty:
            fault = file_faults.fault_of(part.key, part.sha256)
            if fault is None:  # somebody else has just repaired it
                continue
            quarantine.set_aside(part.key)
            key, data = part.key, upload.data
            if radiograph is not None and part.is_wrapped:
                key, data = _record_wrapped(radiograph, wrapped), wrapped
            put(key, data)
            file_faults.close([part.key])
            events.append(_event(item, {"key": key, "fault": fault.value}))
        if radiograph is not None:
            analyse_again(radiograph, upload.by)
        if events and item.verdict == Verdict.DUPLICATE and not item.reason:
            item.reason_code, item.reason_params = REPAIRED, {}
            item.save(update_fields=["reason_code", "reason_params", "updated_at"])
        append_all(events, upload.by)


def _parts(upload: Upload, item: UploadItem) -> list[_Part]:
    radiograph = item.radiograph
    if radiograph is None:
        return [_Part(item.held_key, upload.sha256)] if item.held_key else []
    radiograph.refresh_from_db(fields=["dicom_key", "dicom_sha256"])
    parts = [_Part(radiograph.original_key, radiograph.original_sha256)]
    if radiograph.dicom_key != radiograph.original_key:
        parts.append(_Part(radiograph.dicom_key, radiograph.dicom_sha256, is_wrapped=True))
    return parts


def _wrap_again(upload: Upload, radiograph: Radiograph) -> bytes:
    """Recreate the DICOM instance of an image, for its current patient and study.

    For a DICOM file, one with its own SOP Instance UID; see held/resolution.py.
    """
    if radiograph.media_type == store.MEDIA_TYPES["dicom"]:
        own = image_file.own_instance_apart(upload.data, upload.sha256).wrapped
        assert own is not None
        return own
    study = radiograph.study
    patient = study.patient
    at = study.performed_at
    header = wrapping.Header(
        patient_id=patient.patient_id,
        issuer_of_patient_id=patient.issuer,
        patient_name=patient.name,
        patient_birth_date=patient.birth_date,
        patient_sex=patient.sex,
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        referring_physician_name=study.referring_physician,
        study_date=timezone.localtime(at).date() if at else None,
    )
    wrapped = image_file.check_apart(upload.data, header, upload.sha256).wrapped
    assert wrapped is not None
    return wrapped


def _record_wrapped(radiograph: Radiograph, wrapped: bytes) -> str:
    """Record the recreated instance, which names the current patient; return its key.

    Its bytes differ from before if patient or study were corrected since.
    """
    radiograph.dicom_sha256 = hashlib.sha256(wrapped).hexdigest()
    radiograph.dicom_key = blobs.dicom_key(radiograph.dicom_sha256)
    radiograph.save(update_fields=["dicom_sha256", "dicom_key"])
    return radiograph.dicom_key


def _event(item: UploadItem, detail: dict[str, str]) -> Event:
    radiograph = item.radiograph
    if radiograph is None:
        return Event(Action.FILE_REPAIRED, "upload_item", item.pk, detail=detail)
    study_id = radiograph.study_id
    return Event(Action.FILE_REPAIRED, "radiograph", radiograph.pk, study_id, detail)
