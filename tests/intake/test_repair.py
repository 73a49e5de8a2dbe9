"""A lost or damaged stored file is repaired by uploading the same bytes again."""

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from django.utils import timezone

from tests import dicom_files as files
from tests.helpers import audit_actions
from tests.intake.conftest import Send, stored_files
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.inference.models import Job, JobState
from webportal.intake.batches.services import create_batch
from webportal.intake.errors import RefusedError
from webportal.intake.held.resolution import HeldDecision, question, resolve
from webportal.intake.models import UploadItem, Verdict
from webportal.intake.pipeline.repair import REPAIRED
from webportal.records import file_faults
from webportal.records.files import StoredFileError, read_dicom, read_original
from webportal.records.models import FileFault, Radiograph
from webportal.storage import trash

pytestmark = pytest.mark.django_db(transaction=True)


def radiograph_of(item: UploadItem) -> Radiograph:
    assert item.radiograph is not None
    return Radiograph.objects.get(pk=item.radiograph.pk)


def lose(path: Path) -> None:
    path.unlink()


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def quarantine_job(radiograph: Radiograph, code: str) -> None:
    Job.objects.filter(radiograph=radiograph).update(
        state=JobState.QUARANTINED,
        reason_code=code,
        reason_params={"text": "reason"},
        attempt=1,
        finished_at=timezone.now(),
    )


@pytest.mark.parametrize(("harm", "kind"), [(lose, "missing"), (flip_a_bit, "damaged")])
@pytest.mark.parametrize("again_in", ["the same batch", "another batch"])
def test_a_dicom_file(
    harm: Callable[[Path], None],
    kind: str,
    again_in: str,
    send: Send,
    storage_folder: Path,
    uploader: User,
) -> None:
    data = files.dicom(files.phantom())
    radiograph = radiograph_of(send(data))
    path = storage_folder / radiograph.dicom_key
    harm(path)
    with pytest.raises(StoredFileError, match=f"file_{kind}"):
        read_dicom(radiograph)
    assert file_faults.open_faults().get().kind == kind
    quarantine_job(radiograph, "file_damaged")
    to = None if again_in == "the same batch" else create_batch(uploader)
    item = send(data, to=to)
    assert (item.verdict, item.reason_code) == (
        ("accepted", "") if to is None else ("duplicate", REPAIRED)
    )
    assert path.read_bytes() == read_dicom(radiograph) == data
    assert not file_faults.open_faults().exists()
    if kind == "damaged":
        assert f"quarantine/{radiograph.dicom_key}" in stored_files(storage_folder)
    entry = AuditEntry.objects.get(action="file.repaired")
    assert entry.detail == {"key": radiograph.dicom_key, "fault": kind}
    assert entry.actor == uploader.username
    assert list(Job.objects.order_by("queued_at").values_list("state", flat=True)) == [
        JobState.QUARANTINED,
        JobState.QUEUED,
    ]
    assert Radiograph.objects.count() == 1


def test_a_file_that_nobody_has_read_since(send: Send, storage_folder: Path) -> None:
    data = files.dicom(files.phantom())
    radiograph = radiograph_of(send(data))
    flip_a_bit(storage_folder / radiograph.dicom_key)
    send(data)
    assert read_dicom(radiograph) == data
    assert not FileFault.objects.exists()


@pytest.mark.parametrize("which", ["original_key", "dicom_key", "both"])
def test_a_jpeg_with_the_instance_made_from_it(
    which: str, send: Send, storage_folder: Path
) -> None:
    data = files.jpeg(files.phantom())
    radiograph = radiograph_of(send(data))
    wrapped = read_dicom(radiograph)
    for key in ("original_key", "dicom_key") if which == "both" else (which,):
        flip_a_bit(storage_folder / getattr(radiograph, key))
    send(data)
    radiograph.refresh_from_db()
    assert read_original(radiograph) == data
    assert read_dicom(radiograph) == wrapped


def test_the_instance_of_a_jpeg_whose_patient_was_corrected(
    send: Send, storage_folder: Path
) -> None:
    data = files.jpeg(files.phantom())
    radiograph = radiograph_of(send(data))
    before = radiograph.dicom_sha256
    patient = radiograph.study.patient
    patient.birth_date = date(1980, 1, 2)
    patient.save()
    flip_a_bit(storage_folder / radiograph.dicom_key)
    send(data)
    radiograph.refresh_from_db()
    assert radiograph.dicom_sha256 != before
    assert hashlib.sha256(read_dicom(radiograph)).hexdigest() == radiograph.dicom_sha256
    assert b"19800102" in read_dicom(radiograph)


def test_different_bytes_repair_nothing(send: Send, storage_folder: Path) -> None:
    radiograph = radiograph_of(send(files.dicom(files.phantom(seed=1))))
    (storage_folder / radiograph.dicom_key).unlink()
    send(files.dicom(files.phantom(seed=2)))
    with pytest.raises(StoredFileError, match="file_missing"):
        read_dicom(radiograph)


def test_a_failure_of_another_kind_stays_in_quarantine(send: Send, storage_folder: Path) -> None:
    data = files.dicom(files.phantom())
    radiograph = radiograph_of(send(data))
    quarantine_job(radiograph, "prediction_failed")
    flip_a_bit(storage_folder / radiograph.dicom_key)
    send(data)
    assert Job.objects.get().state == JobState.QUARANTINED


def test_a_held_file_is_verified_and_repaired(
    send: Send, uploader: User, storage_folder: Path
) -> None:
    send(files.dicom(files.phantom(seed=1)))
    data = files.dicom(files.phantom(seed=2), PatientName="Doe^Jane")
    item = send(data)
    assert item.verdict == Verdict.HELD
    other = files.dicom(files.phantom(seed=3), PatientName="Doe^John")
    (storage_folder / item.held_key).write_bytes(other)
    with pytest.raises(RefusedError, match="not the one that was received"):
        question(item, uploader)
    assert file_faults.open_faults().get().key == item.held_key
    assert send(data).verdict == Verdict.HELD
    assert not file_faults.open_faults().exists()
    resolved = resolve(item, HeldDecision.OTHER, uploader)
    assert radiograph_of(resolved).original_sha256 == hashlib.sha256(data).hexdigest()


def test_a_missing_file_in_the_trash_is_restored(send: Send) -> None:
    data = files.dicom(files.phantom())
    radiograph = radiograph_of(send(data))
    trash.discard(radiograph.dicom_key)
    assert read_dicom(radiograph) == data
    assert not FileFault.objects.exists()
    assert "file.put_back" in audit_actions()


def test_an_unavailable_storage_is_not_a_fault_of_its_files(
    send: Send, storage_folder: Path
) -> None:
    radiograph = radiograph_of(send(files.dicom(files.phantom())))
    storage_folder.rename(storage_folder.with_name("hidden"))
    storage_folder.mkdir()
    with pytest.raises(StoredFileError, match="storage_away"):
        read_dicom(radiograph)
    assert not FileFault.objects.exists()
