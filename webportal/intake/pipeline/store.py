"""Committing the verdict on a file: bytes, records and audit entries together, or nothing."""

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_noop

from ml.images import ImageError
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.inference import queue
from webportal.intake import matching
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks.doubts import check_certain
from webportal.intake.checks.image_file import CheckedImage
from webportal.intake.errors import IntakeError, PatientDoubtError, RefusedError
from webportal.intake.matching import Match
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.intake.pipeline import identify
from webportal.intake.storage import blobs
from webportal.records.models import Radiograph, Study
from webportal.records.services import return_to_worklist
from webportal.storage.locks import lock_storing

MEDIA_TYPES = {"dicom": "application/dicom", "jpeg": "image/jpeg", "png": "image/png"}

# What a word of the header is kept up to: four times what the standard allows. It is compared with
# known words and never identifies anything.
HEADER_TEXT = 64


@dataclass(frozen=True)
class Upload:
    """One file as it came, in which batch and from whom. `data` is empty if it was never read."""

    batch: UploadBatch
    file_name: str
    by: User
    sha256: str
    size: int
    data: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, batch: UploadBatch, file_name: str, data: bytes, by: User) -> "Upload":
        """Return the upload of `data`."""
        return cls(batch, file_name, by, hashlib.sha256(data).hexdigest(), len(data), data)

    @property
    def key(self) -> dict[str, Any]:
        """By what its item is found."""
        return {"batch": self.batch, "file_name": self.file_name, "sha256": self.sha256}


def settled(upload: Upload) -> UploadItem | None:
    """Return the verdict that the file has already; a refusal is no settled verdict."""
    return UploadItem.objects.filter(**upload.key).exclude(verdict=Verdict.REFUSED).first()


@transaction.atomic
def accept(upload: Upload, record: CaseRecord | None, checked: CheckedImage) -> UploadItem:
    """Store a checked image and queue its inference; or hold it where a person is to decide.

    Raises RefusedError where the records forbid it. Two requests with the same content wait for
    each other here; the later one finds what the earlier one stored.
    """
    lock(upload.sha256)
    item = settled(upload) or duplicate(upload, record)
    if item is not None:
        return item
    identify.refuse_second_use_of_line(upload.batch, upload.file_name)
    identity = identify.identity(upload.batch, record, checked.facts)
    study_facts = identify.study(upload.batch, record, checked.facts)
    with blobs.writing() as put:
        try:
            check_certain(checked.facts, identify.moment(record, checked.facts))
            with transaction.atomic():
                match = matching.match(identity, study_facts, upload.by)
        except PatientDoubtError as doubt:
            return _hold(upload, doubt, put)
        return store_accepted(upload, match, checked, put)


def duplicate(upload: Upload, record: CaseRecord | None) -> UploadItem | None:
    """Return the verdict on a file whose content is stored already, None where it is not."""
    radiograph = (
        Radiograph.objects.filter(original_sha256=upload.sha256)
        .select_related("study__patient")
        .first()
    )
    if radiograph is None:
        return None
    patient = radiograph.study.patient
    reason = ""
    if record is not None and (record.patient_id, record.issuer) != (
        patient.patient_id,
        patient.issuer,
    ):
        reason = gettext_noop(
            "It is recorded for another patient than you gave. Open that patient and check which"
            " is right."
        )
    return _save(upload, verdict=Verdict.DUPLICATE, radiograph=radiograph, reason=reason)


@transaction.atomic
def refuse(upload: Upload, reason: IntakeError | ImageError) -> UploadItem:
    """Note that a file was refused and why; nothing of it is kept."""
    lock(upload.sha256)
    earlier = UploadItem.objects.filter(**upload.key).first()
    if earlier is not None and (
        earlier.verdict != Verdict.REFUSED or earlier.reason_code == reason.code
    ):
        return earlier
    item = _save(upload, verdict=Verdict.REFUSED, reason_code=reason.code, reason=reason.message)
    append(_item_event(Action.FILE_REFUSED, item), upload.by)
    return item


def _hold(upload: Upload, doubt: PatientDoubtError, put: blobs.Put) -> UploadItem:
    held_key = blobs.new_held_key()
    put(held_key, upload.data)
    item = _save(
        upload,
        verdict=Verdict.HELD,
        reason_code=doubt.code,
        reason=doubt.message,
        held_key=held_key,
    )
    append(_item_event(Action.FILE_HELD, item), upload.by)
    return item


def _item_event(action: Action, item: UploadItem) -> Event:
    detail = {"reason": item.reason_code, "batch": str(item.batch_id)}
    return Event(action, "upload_item", item.pk, detail=detail)


def store_accepted(
    upload: Upload, match: Match, checked: CheckedImage, put: blobs.Put
) -> UploadItem:
    """Store the bytes and the radiograph, queue its inference and write the trail.

    Raises RefusedError where the same image (SOP Instance UID) is stored with other content.
    """
    # Locked, so that nobody signs the study without this image while it joins.
    study = Study.objects.select_for_update(no_key=True).get(pk=match.study.pk)
    events = [*match.events, *return_to_worklist(study)]
    radiograph = _store_radiograph(upload, study, checked, put)
    item = _save(upload, verdict=Verdict.ACCEPTED, radiograph=radiograph, reason=match.note)
    detail = {"sha256": upload.sha256, "batch": str(upload.batch.pk)}
    stored = Event(Action.RADIOGRAPH_STORED, "radiograph", radiograph.pk, study.pk, detail)
    append_all([*events, stored], upload.by)
    queue.enqueue(radiograph, upload.by)
    return item


def _store_radiograph(
    upload: Upload, study: Study, checked: CheckedImage, put: blobs.Put
) -> Radiograph:
    facts = checked.facts
    lock_instance(facts.sop_instance_uid)
    if Radiograph.objects.filter(sop_instance_uid=facts.sop_instance_uid).exists():
        raise RefusedError(
            "instance_exists",
            "Another file of this very image (the same SOP Instance UID) is stored already, with"
            " other content. Look at its study; send only what is missing there.",
        )
    if checked.wrapped is None:
        dicom_sha256 = upload.sha256
        original_key = dicom_key = blobs.dicom_key(dicom_sha256)
        put(dicom_key, upload.data)
    else:
        dicom_sha256 = hashlib.sha256(checked.wrapped).hexdigest()
        original_key, dicom_key = blobs.original_key(upload.sha256), blobs.dicom_key(dicom_sha256)
        put(original_key, upload.data)
        put(dicom_key, checked.wrapped)
    return Radiograph.objects.create(
        study=study,
        sop_instance_uid=facts.sop_instance_uid,
        sop_class_uid=facts.sop_class_uid,
        modality=facts.modality,
        view_position=facts.view_position[:HEADER_TEXT],
        body_part=facts.body_part_examined[:HEADER_TEXT],
        laterality=facts.image_laterality[:16],
        patient_age=facts.patient_age[:16],
        codes=[asdict(code) for code in facts.codes],
        rows=facts.rows,
        columns=facts.columns,
        bits_stored=facts.bits_stored,
        media_type=MEDIA_TYPES[checked.kind],
        original_sha256=upload.sha256,
        original_key=original_key,
        original_bytes=upload.size,
        dicom_sha256=dicom_sha256,
        dicom_key=dicom_key,
    )


def _save(upload: Upload, **fields: Any) -> UploadItem:
    nothing = {"reason_code": "", "reason": "", "held_key": "", "radiograph": None}
    defaults = {"size": upload.size} | nothing | fields
    item, _ = UploadItem.objects.update_or_create(**upload.key, defaults=defaults)
    return item


def lock(sha256: str) -> None:
    """Hold, until the transaction ends, the lock on a content: one request at a time stores it."""
    with connection.cursor() as cursor:
        number = int.from_bytes(bytes.fromhex(sha256[:16]), "big", signed=True)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
    lock_storing()


def lock_instance(sop_instance_uid: str) -> None:
    """Hold, until the transaction ends, the lock on an image's UID, as `lock` does on a content."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [sop_instance_uid])
