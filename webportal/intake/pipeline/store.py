"""Store: the verdict on a file, its bytes, records and audit entries together, or nothing."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from ml.images import ImageFacts
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all
from webportal.database.rows import insert_in_order, insert_or_get
from webportal.inference import inputs, queue
from webportal.intake import blobs
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.checks.image_file import CheckedImage
from webportal.intake.checks.study_dates import acquisition_moment
from webportal.intake.errors import PatientDoubtError, RefusedError
from webportal.intake.models import UploadItem, Verdict
from webportal.intake.pipeline import match
from webportal.intake.pipeline.match import Match
from webportal.intake.pipeline.series import cut_to_columns, new_series, series_of
from webportal.intake.pipeline.upload import Upload
from webportal.reasons import NO_REASON, Reason
from webportal.records.choices import ReadingState
from webportal.records.models import Radiograph, Series, Study
from webportal.records.services import return_to_worklist
from webportal.storage.locks import LOCK_STORING

MEDIA_TYPES = {"dicom": "application/dicom", "jpeg": "image/jpeg", "png": "image/png"}

# In the order of the numbers, so that two groups of files never wait for each other.
_LOCK_CONTENTS = "SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number"
_LOCK_INSTANCES = """
SELECT pg_advisory_xact_lock(number) FROM (
    SELECT DISTINCT hashtextextended(uid, 0) AS number FROM unnest(%s::text[]) AS uid
    ORDER BY number
) AS numbers
"""
# Planned in two thirds of the time that it takes to join the files as rows.
_TRACES = """
SELECT file_name, sha256, NULL FROM intake_uploaditem
WHERE batch_id = %(batch)s AND file_name = ANY(%(names)s) AND sha256 = ANY(%(hashes)s)
UNION ALL
SELECT NULL, original_sha256, sop_instance_uid FROM records_radiograph
WHERE original_sha256 = ANY(%(hashes)s) OR sop_instance_uid = ANY(%(instances)s)
"""


def has_traces(upload: Upload, sop_instance_uid: str = "") -> bool:
    """Whether the file has had a verdict, or it, or an image with the UID, is stored."""
    return bool(with_traces([upload], [sop_instance_uid]))


def with_traces(uploads: Sequence[Upload], sop_instance_uids: Sequence[str]) -> set[int]:
    """The positions of the files of one batch of which `has_traces` is true.

    One statement, which spares almost every file those that would tell more.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _TRACES,
            {
                "batch": uploads[0].batch.pk,
                "names": [upload.file_name for upload in uploads],
                "hashes": [upload.sha256 for upload in uploads],
                "instances": list(sop_instance_uids),
            },
        )
        found = cursor.fetchall()
    if not found:
        return set()
    items = {(name, sha256) for name, sha256, _ in found if name is not None}
    hashes = {sha256 for name, sha256, _ in found if name is None}
    instances = {uid for name, _, uid in found if name is None}
    return {
        position
        for position, (upload, uid) in enumerate(zip(uploads, sop_instance_uids, strict=True))
        if (upload.file_name, upload.sha256) in items or upload.sha256 in hashes or uid in instances
    }


def refused_before(uploads: Sequence[Upload]) -> set[int]:
    """The positions of the files of one batch that were refused when they were sent before."""
    items = UploadItem.objects.filter(batch=uploads[0].batch, verdict=Verdict.REFUSED)
    of_names = items.filter(file_name__in=[upload.file_name for upload in uploads])
    found = set(of_names.values_list("file_name", "sha256"))
    return {n for n, each in enumerate(uploads) if (each.file_name, each.sha256) in found}


def settled(upload: Upload) -> UploadItem | None:
    """Return the file's existing verdict; a refusal does not settle it."""
    return UploadItem.objects.filter(**upload.key).exclude(verdict=Verdict.REFUSED).first()


def known(upload: Upload, record: CaseRecord | None) -> UploadItem | None:
    """Return the verdict on a file that needs no further check, None if it needs one."""
    return settled(upload) or duplicate(upload, record)


def has_instance(sop_instance_uid: str) -> bool:
    """Whether an image with this SOP Instance UID is stored."""
    return Radiograph.objects.filter(sop_instance_uid=sop_instance_uid).exists()


def hold_if_stored(facts: ImageFacts, by: User) -> None:
    """Raise PatientDoubtError, which holds the file, if its image is stored with other content.

    Raises RefusedError if that is in a department that `by` cannot see, and so could not compare
    the two. The caller holds the lock of the image.
    """
    stored = Radiograph.objects.filter(sop_instance_uid=facts.sop_instance_uid)
    radiograph = stored.select_related("study").first()
    if radiograph is not None:
        match.refuse_elsewhere(radiograph.study, by)
        raise PatientDoubtError("instance_exists")


def refuse_if_stored(facts: ImageFacts) -> None:
    """Raise RefusedError if an image with the same SOP Instance UID is stored.

    Nobody else stores one until the transaction of the caller ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_INSTANCES, [[facts.sop_instance_uid]])
    if has_instance(facts.sop_instance_uid):
        raise RefusedError("instance_exists")


@contextmanager
def storing_exclusively(
    hashes: Iterable[str], sop_instance_uids: Iterable[str] = ()
) -> Iterator[blobs.Put]:
    """Yield a function that stores bytes, in a transaction that stores all or nothing.

    Concurrent requests with the same contents, or the same images, wait for each other here; the
    later one finds what the earlier one stored.
    """
    with transaction.atomic():
        _lock(hashes, sop_instance_uids)
        with blobs.writing() as put:
            yield put


@transaction.atomic
def duplicate(upload: Upload, record: CaseRecord | None) -> UploadItem | None:
    """Return the verdict on a file whose content is already stored, None if it is not."""
    radiograph = (
        Radiograph.objects.filter(original_sha256=upload.sha256)
        .select_related("study__patient")
        .first()
    )
    if radiograph is None:
        return None
    patient = radiograph.study.patient
    reason, is_to_be_read = NO_REASON, False
    if match.is_elsewhere(radiograph.study, upload.by):
        reason = Reason("stored_elsewhere")
    elif radiograph.study.reading_state == ReadingState.PRIOR and not upload.batch.is_prior:
        is_to_be_read = True
    elif record is not None and (record.patient_id, record.issuer) != (
        patient.patient_id,
        patient.issuer,
    ):
        reason = Reason("recorded_for_another")
    item = _save(upload, verdict=Verdict.DUPLICATE, radiograph=radiograph, reason=reason)
    if is_to_be_read:
        bring_to_worklist(radiograph.study, upload.by)
    return item


@transaction.atomic
def bring_to_worklist(study: Study, by: User) -> None:
    """Have a prior read and analysed like any other study; does nothing if it is none."""
    append_all(_to_worklist(study, by), by)


def _to_worklist(study: Study, by: User) -> list[Event]:
    locked = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if locked.reading_state != ReadingState.PRIOR:
        return []
    return [*return_to_worklist(locked), *queue.enqueue_unanalysed(locked, by)]


def have_prior_read(sop_instance_uid: str, study_instance_uid: str, by: User) -> list[Event]:
    """Bring the prior of an image that came by itself to the worklist; the image may be held.

    Returns what to audit.
    """
    is_of_image = Q(study_instance_uid=study_instance_uid) | Exists(
        Radiograph.objects.filter(study=OuterRef("pk"), sop_instance_uid=sop_instance_uid)
    )
    found = Study.objects.filter(is_of_image, reading_state=ReadingState.PRIOR).order_by("pk")
    priors = [study for study in found if not match.is_elsewhere(study, by)]
    return [event for study in priors for event in _to_worklist(study, by)]


@transaction.atomic
def refuse(upload: Upload, reason: Reason) -> UploadItem:
    """Record that a file was refused and why; nothing of it is stored."""
    _lock([upload.sha256])
    earlier = UploadItem.objects.filter(**upload.key).first()
    if earlier is not None and (
        earlier.verdict != Verdict.REFUSED or earlier.reason_code == reason.code
    ):
        return earlier
    item = _save(upload, verdict=Verdict.REFUSED, reason=reason)
    append(_item_event(Action.FILE_REFUSED, item), upload.by)
    return item


def hold(
    upload: Upload, doubt: PatientDoubtError, put: blobs.Put, events: Sequence[Event] = ()
) -> UploadItem:
    """Store a file until a person has decided whose image it is; `events` are audited before it."""
    held_key = blobs.new_held_key()
    put(held_key, upload.data)
    item = _save(
        upload,
        verdict=Verdict.HELD,
        reason=doubt.reason,
        held_key=held_key,
    )
    append_all([*events, _item_event(Action.FILE_HELD, item)], upload.by)
    return item


def _item_event(action: Action, item: UploadItem) -> Event:
    detail = {"reason": item.reason_code, "batch": str(item.batch_id)}
    return Event(action, "upload_item", item.pk, detail=detail)


def accept(upload: Upload, checked: CheckedImage, found: Match, put: blobs.Put) -> UploadItem:
    """Store the bytes and the radiograph, queue its inference and write the trail.

    The caller has made sure that no image with the same SOP Instance UID is stored.
    """
    study, events = found.study, found.events
    if not found.is_new:
        # Locked, so that nobody signs the study without this image while it is added.
        study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        if study.reading_state != ReadingState.PRIOR:
            events = [*events, *return_to_worklist(study)]
        elif not upload.batch.is_prior:
            # What was fetched for comparison is now sent like any other study.
            before = queue.enqueue_unanalysed(study, upload.by)
            events = [*events, *return_to_worklist(study), *before]
    # Nobody else knows a new study, nor any series of it.
    new = [new_series(study, checked.facts)] if found.is_new else []
    series = new[0] if new else series_of(study, checked.facts)
    radiograph = radiograph_of(upload, checked, study, series, put_files(upload, checked, put))
    insert_in_order(new, [radiograph])
    item = _save(upload, verdict=Verdict.ACCEPTED, radiograph=radiograph, reason=found.note)
    queued = enqueue([(radiograph, checked)], upload.by)
    # Last, because the end of the trail stays locked until the transaction ends.
    append_all([*events, stored_event(upload, radiograph), *queued], upload.by)
    return item


def enqueue(images: Iterable[tuple[Radiograph, CheckedImage]], by: User) -> list[Event]:
    """Queue new images, except priors, to be analysed; return what to audit.

    A prior is there to be compared with, and the model has nothing to say of it.
    """
    new = [each for each in images if each[0].study.reading_state != ReadingState.PRIOR]
    inputs.hand_over(
        {
            radiograph.dicom_sha256: checked.network_input
            for radiograph, checked in new
            if checked.network_input is not None
        }
    )
    return queue.enqueue_new([radiograph for radiograph, _ in new], by)


def stored_event(upload: Upload, radiograph: Radiograph) -> Event:
    """What to audit of a stored image."""
    detail = {
        "sha256": upload.sha256,
        "dicom_sha256": radiograph.dicom_sha256,
        "batch": str(upload.batch.pk),
    }
    return Event(Action.RADIOGRAPH_STORED, "radiograph", radiograph.pk, radiograph.study_id, detail)


@dataclass(frozen=True)
class Files:
    """Under which keys the files of an image are stored, and the hash of the DICOM instance."""

    original_key: str
    dicom_key: str
    dicom_sha256: str


def put_files(upload: Upload, checked: CheckedImage, put: blobs.Put) -> Files:
    """Store the bytes as received, and the DICOM instance if it was made from them."""
    if checked.wrapped is None:
        key = blobs.dicom_key(upload.sha256)
        put(key, upload.data)
        return Files(key, key, upload.sha256)
    dicom_sha256 = hashlib.sha256(checked.wrapped).hexdigest()
    files = Files(blobs.original_key(upload.sha256), blobs.dicom_key(dicom_sha256), dicom_sha256)
    put(files.original_key, upload.data)
    put(files.dicom_key, checked.wrapped)
    return files


def radiograph_of(
    upload: Upload, checked: CheckedImage, study: Study, series: Series, files: Files
) -> Radiograph:
    """Return a new radiograph, not yet saved."""
    facts = checked.facts
    return Radiograph(
        study=study,
        series=series,
        instance_number=facts.instance_number,
        acquired_at=acquisition_moment(facts),
        sop_instance_uid=facts.sop_instance_uid,
        sop_class_uid=facts.sop_class_uid,
        modality=facts.modality,
        **cut_to_columns(
            Radiograph,
            view_position=facts.view_position,
            body_part=facts.body_part_examined,
            laterality=facts.image_laterality,
            patient_age=facts.patient_age,
        ),
        codes=[asdict(code) for code in facts.codes],
        rows=facts.rows,
        columns=facts.columns,
        bits_stored=facts.bits_stored,
        media_type=MEDIA_TYPES[checked.kind],
        original_sha256=upload.sha256,
        original_key=files.original_key,
        original_bytes=upload.size,
        dicom_sha256=files.dicom_sha256,
        dicom_key=files.dicom_key,
    )


def _save(upload: Upload, *, reason: Reason, **fields: Any) -> UploadItem:
    why = {"reason_code": reason.code, "reason_params": reason.params}
    values = {"size": upload.size, "held_key": "", "radiograph": None} | why | fields
    item, is_new = insert_or_get(UploadItem(**upload.key, **values), **upload.key)
    for name, value in values.items():
        setattr(item, name, value)
    if not is_new:
        item.save(update_fields=[*values, "updated_at"])
    return item


def _lock(hashes: Iterable[str], sop_instance_uids: Iterable[str] = ()) -> None:
    """Lock contents until the transaction ends, so that only one request at a time stores them.

    The UIDs of images are locked likewise.
    """
    numbers = {int.from_bytes(bytes.fromhex(each[:16]), "big", signed=True) for each in hashes}
    instances = list(sop_instance_uids)
    # Sent together and run one after the other.
    statements = f"{_LOCK_CONTENTS}; {LOCK_STORING}"
    parameters: list[list[int] | list[str]] = [sorted(numbers)]
    if instances:
        statements += f"; {_LOCK_INSTANCES}"
        parameters.append(instances)
    with connection.cursor() as cursor:
        cursor.execute(statements, parameters)
