"""Sending files: their verdicts, records and stored bytes."""

import hashlib
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pydicom
import pytest
from django.core.files import File
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from ml import images
from tests import dicom_files as files
from tests.helpers import audit_actions
from tests.intake.conftest import Send, counts, stored, stored_files, zip_of
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.audit.verification import verify
from webportal.inference.models import Job, JobState
from webportal.intake.batches import services
from webportal.intake.checks import wrapping
from webportal.intake.held.resolution import HeldDecision, resolve
from webportal.records.choices import Priority, ReadingState
from webportal.records.models import OWN_ISSUER, Patient, Radiograph, Study
from webportal.storage import DurableFileSystemStorage

pytestmark = pytest.mark.django_db


# ── Accepted ────────────────────────────────────────────────────────────────────────────────────


def test_a_dicom_file_becomes_patient_study_radiograph_and_job(send: Send) -> None:
    data = files.dicom(
        files.phantom(12), 12, ViewPosition="PA", IssuerOfPatientID="H", StudyDescription="Chest"
    )
    item = send(data, "a.dcm")
    assert item.verdict == "accepted"
    radiograph = Radiograph.objects.get()
    assert item.radiograph == radiograph
    study, patient = radiograph.study, radiograph.study.patient
    assert (patient.patient_id, patient.issuer, patient.name) == ("PHANTOM-1", "H", "Phantom^One")
    assert (str(patient.birth_date), patient.sex) == ("1970-01-01", "O")
    assert not patient.is_temporary
    assert (study.accession_number, study.description) == ("A1", "Chest")
    assert study.performed_at is not None
    assert f"{study.performed_at:%Y-%m-%d %H:%M:%S}" == "2024-02-29 10:11:12"
    assert (radiograph.modality, radiograph.view_position) == ("CR", "PA")
    assert (radiograph.rows, radiograph.columns) == files.SIZE
    assert radiograph.bits_stored == 12
    job = Job.objects.get()
    assert (job.radiograph, job.state) == (radiograph, JobState.QUEUED)


def test_a_dicom_file_is_stored_once_as_received(send: Send, storage_folder: Path) -> None:
    data = files.dicom(files.phantom())
    radiograph = send(data).radiograph
    assert radiograph is not None
    digest = hashlib.sha256(data).hexdigest()
    assert radiograph.original_sha256 == radiograph.dicom_sha256 == digest
    assert stored_files(storage_folder) == [f"dicom/{digest[:2]}/{digest[2:4]}/{digest}.dcm"]
    assert stored(radiograph.dicom_key) == data


@pytest.mark.parametrize("make", [files.png, files.jpeg])
def test_an_image_is_stored_as_received_and_as_dicom(
    make: Callable[..., bytes], send: Send, storage_folder: Path
) -> None:
    data = make(files.phantom())
    radiograph = send(data).radiograph
    assert radiograph is not None
    assert stored(radiograph.original_key) == data
    instance = stored(radiograph.dicom_key)
    assert hashlib.sha256(instance).hexdigest() == radiograph.dicom_sha256
    assert pydicom.dcmread(BytesIO(instance)).SOPInstanceUID == radiograph.sop_instance_uid
    assert (images.read(instance).pixels == images.read(data).pixels).all()
    assert len(stored_files(storage_folder)) == 2


def test_a_file_without_a_patient_gets_its_own_temporary_one(send: Send) -> None:
    for seed in range(2):
        send(files.png(files.phantom(seed=seed)), f"{seed}.png")
    patients = Patient.objects.all()
    assert len(patients) == 2
    assert all(patient.is_temporary for patient in patients)
    assert {patient.issuer for patient in patients} == {OWN_ISSUER}
    assert all(patient.patient_id.startswith("TMP-") for patient in patients)


def test_files_of_one_study_instance_uid_form_one_study(send: Send) -> None:
    uid = pydicom.uid.generate_uid()
    for seed in range(3):
        send(files.dicom(files.phantom(seed=seed), StudyInstanceUID=uid), f"{seed}.dcm")
    assert Study.objects.count() == Patient.objects.count() == 1
    assert Radiograph.objects.count() == Job.objects.count() == 3


def test_dicom_files_without_a_patient_id_keep_the_study_together(send: Send) -> None:
    uid = pydicom.uid.generate_uid()
    for seed in range(2):
        send(files.dicom(files.phantom(seed=seed), StudyInstanceUID=uid, PatientID=""), str(seed))
    assert Study.objects.count() == 1
    assert Patient.objects.get().is_temporary


def test_study_and_job_get_the_priority_of_the_batch(send: Send, uploader: User) -> None:
    stat = services.create_batch(uploader, priority=Priority.STAT)
    send(files.png(files.phantom()), to=stat)
    assert Study.objects.get().priority == Priority.STAT
    assert Job.objects.get().priority == Priority.STAT


def test_a_more_urgent_image_makes_its_study_more_urgent(send: Send, uploader: User) -> None:
    uid = pydicom.uid.generate_uid()
    send(files.dicom(files.phantom(seed=1), StudyInstanceUID=uid))
    stat = services.create_batch(uploader, priority=Priority.STAT)
    send(files.dicom(files.phantom(seed=2), StudyInstanceUID=uid), to=stat)
    assert Study.objects.get().priority == Priority.STAT
    send(files.dicom(files.phantom(seed=3), StudyInstanceUID=uid))
    assert Study.objects.get().priority == Priority.STAT


def test_an_incomplete_record_is_completed_from_the_file(send: Send) -> None:
    send(files.dicom(files.phantom(seed=1), PatientName="", PatientBirthDate=""))
    send(files.dicom(files.phantom(seed=2)))
    patient = Patient.objects.get()
    assert (patient.name, str(patient.birth_date)) == ("Phantom^One", "1970-01-01")
    assert "patient.changed" in audit_actions()


def test_each_creation_is_in_the_audit_trail(send: Send) -> None:
    send(files.dicom(files.phantom(), PatientName="Doe^Jane"))
    assert audit_actions() == [
        "batch.created",
        "patient.created",
        "study.created",
        "radiograph.stored",
        "job.queued",
    ]
    for detail in AuditEntry.objects.values_list("detail", flat=True):
        assert "Doe" not in str(detail)


# ── Refused ─────────────────────────────────────────────────────────────────────────────────────


class Refused(NamedTuple):
    code: str
    data: bytes


def _zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a.png", bytes(20 * 1024**2))
    return buffer.getvalue()


REFUSED = {
    "zero bytes": Refused("empty", b""),
    "not an image": Refused("not_an_image", b"%PDF-1.7 ..."),
    "truncated": Refused("truncated", files.jpeg(files.phantom())[:-300]),
    "ct": Refused("wrong_modality", files.dicom(files.phantom(), Modality="CT")),
    "nested zip": Refused("nested_archive", zip_of(inner=zip_of(a=b"x"))),
    "zip bomb": Refused("archive_bomb", _zip_bomb()),
    "path trick": Refused("unsafe_path", zip_of(**{"../a": b"x"})),
    "damaged zip": Refused("damaged_archive", zip_of(a=b"x" * 100)[:-30]),
    "empty zip": Refused("empty_archive", zip_of()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_file_leaves_its_verdict_and_nothing_else(
    name: str, send: Send, storage_folder: Path
) -> None:
    item = send(REFUSED[name].data, "bad.file")
    assert (item.verdict, item.reason_code) == ("refused", REFUSED[name].code)
    assert str(item.reason).endswith(".")
    assert counts() == {"Patient": 0, "Study": 0, "Radiograph": 0, "Job": 0, "UploadItem": 1}
    assert not storage_folder.exists()
    assert audit_actions() == ["batch.created", "file.refused"]


def test_a_file_over_the_size_limit_is_refused(send: Send, settings: Settings) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    item = send(files.png(files.phantom()))
    assert item.reason_code == "too_large"


def test_the_same_image_with_different_bytes_is_held_and_overwrites_nothing(
    send: Send, uploader: User
) -> None:
    ds = files.dataset(files.phantom())
    first = files.file_bytes(ds)
    send(first, "first")
    ds.StudyDescription = "Exported again"
    second = files.file_bytes(ds)
    item = send(second, "second")
    assert (item.verdict, item.reason_code) == ("held", "instance_exists")
    assert stored(Radiograph.objects.get().dicom_key) == first

    resolve(item, HeldDecision.SAME, uploader)
    one, other = Radiograph.objects.order_by("created_at")
    assert (one.study, one.sop_instance_uid) == (other.study, ds.SOPInstanceUID)
    assert stored(one.dicom_key) == first
    assert stored(other.original_key) == second
    kept = pydicom.dcmread(io.BytesIO(stored(other.dicom_key)))
    assert kept.SOPInstanceUID == other.sop_instance_uid != ds.SOPInstanceUID
    assert kept.PixelData == ds.PixelData
    assert send(second, "again").verdict == "duplicate"


def test_a_prior_that_comes_by_itself_in_other_bytes_is_held_and_to_be_read(
    send: Send, uploader: User
) -> None:
    ds = files.dataset(files.phantom())
    fetched = services.create_batch(uploader, is_prior=True)
    send(files.file_bytes(ds), to=fetched)
    ds.StudyDescription = "Transcoded"
    assert send(files.file_bytes(ds), to=fetched).verdict == "held"
    assert Study.objects.get().reading_state == ReadingState.PRIOR
    assert not Job.objects.exists()
    assert send(files.file_bytes(ds)).reason_code == "instance_exists"
    assert Study.objects.get().reading_state == ReadingState.UNREAD
    assert Job.objects.get().radiograph == Radiograph.objects.get()
    assert verify().intact


@pytest.mark.parametrize("is_same", [True, False])
def test_priors_that_come_by_themselves_are_noted_when_everything_else_is_stored(
    is_same: bool, send: Send, uploader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the trail, for which everybody waits, is locked last and once."""
    fetched = services.create_batch(uploader, is_prior=True)
    ds = files.dataset(files.phantom())
    send(files.file_bytes(ds), to=fetched)
    other = files.dataset(files.phantom(seed=2))
    send(files.file_bytes(other), to=fetched)
    if not is_same:
        # The image of one prior, in the study of another.
        ds.StudyInstanceUID = other.StudyInstanceUID
    save = DurableFileSystemStorage._save
    written_at: list[int] = []

    def noted(self: DurableFileSystemStorage, name: str, content: File[bytes]) -> str:
        written_at.append(len(queries))
        return save(self, name, content)

    monkeypatch.setattr(DurableFileSystemStorage, "_save", noted)
    with CaptureQueriesContext(connection) as queries:
        assert send(files.file_bytes(ds)).verdict == ("duplicate" if is_same else "held")
    statements = [each["sql"] for each in queries]
    [locked_at] = [n for n, each in enumerate(statements) if "FROM audit_chainhead" in each]
    is_write = re.compile("FOR (NO KEY )?UPDATE|INSERT INTO")
    late = [each for each in statements[locked_at + 1 :] if is_write.search(each)]
    assert [each for each in late if 'INSERT INTO "audit_auditentry"' not in each] == []
    assert all(number <= locked_at for number in written_at)
    read = {"unread": 1, "prior": 1} if is_same else {"unread": 2}
    assert Counter(Study.objects.values_list("reading_state", flat=True)) == read
    assert verify().intact


def test_equipment_and_times_of_an_image_are_recorded_by_series(send: Send) -> None:
    made: dict[str, Any] = {
        "Manufacturer": "Phantom Works",
        "ManufacturerModelName": "P-1",
        "StationName": "ROOM1",
    }
    made |= {"InstitutionName": "Town Hospital", "AcquisitionDate": "20240229"}
    series: dict[str, Any] = {
        "SeriesInstanceUID": "1.2.3.4",
        "SeriesNumber": 3,
        "StudyInstanceUID": "1.2.3",
    }
    for number in (1, 2):
        pixels = files.phantom(seed=number)
        elements: dict[str, Any] = {"InstanceNumber": number, "AcquisitionTime": f"10111{number}"}
        send(files.dicom(pixels, **made, **series, **elements), f"image {number}")
    send(files.without(files.dicom(files.phantom(seed=3)), "SeriesInstanceUID"), "image 3")
    one, two, without = Radiograph.objects.order_by("created_at")
    recorded = one.series
    assert recorded is not None
    assert recorded == two.series
    assert (recorded.series_instance_uid, recorded.number, recorded.modality) == (
        "1.2.3.4",
        3,
        "CR",
    )
    assert recorded.equipment == "Phantom Works · P-1 · ROOM1"
    assert recorded.institution == "Town Hospital"
    assert (one.instance_number, two.instance_number) == (1, 2)
    assert one.acquired_at == datetime(2024, 2, 29, 10, 11, 11, tzinfo=UTC)
    assert (without.instance_number, without.acquired_at) == (None, None)
    own = wrapping.make_uid("series", without.study.study_instance_uid)
    assert without.series is not None
    assert without.series.series_instance_uid == own


def test_a_refused_file_is_checked_again_when_it_is_resent(send: Send, settings: Settings) -> None:
    data = files.png(files.phantom())
    settings.UPLOAD_MAX_BYTES = 1000
    first = send(data)
    settings.UPLOAD_MAX_BYTES = 10_000_000
    second = send(data)
    assert (first.pk, second.verdict, str(second.reason)) == (second.pk, "accepted", "")


# ── Sent again ──────────────────────────────────────────────────────────────────────────────────


def test_sending_again_gives_the_same_verdict_and_creates_nothing(
    send: Send, storage_folder: Path
) -> None:
    data = files.png(files.phantom())
    first = send(data, "a.png")
    before = (counts(), audit_actions(), stored_files(storage_folder))
    again = send(data, "a.png")
    assert (again.pk, again.verdict) == (first.pk, "accepted")
    assert (counts(), audit_actions(), stored_files(storage_folder)) == before


def test_resending_a_refused_file_gives_the_same_refusal(send: Send) -> None:
    first, again = send(b"nonsense"), send(b"nonsense")
    assert (first.pk, first.reason_code) == (again.pk, again.reason_code)
    assert audit_actions() == ["batch.created", "file.refused"]


def test_the_same_image_in_another_batch_is_a_duplicate(send: Send, uploader: User) -> None:
    data = files.png(files.phantom())
    first = send(data, "a.png")
    second = send(data, "b.png", to=services.create_batch(uploader))
    assert (second.verdict, second.radiograph) == ("duplicate", first.radiograph)
    assert Radiograph.objects.count() == Job.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("folder/a.png", "folder/a.png"),
        ("C:\\x\\a.png", "C:/x/a.png"),
        ("/a\0\n.png", "a.png"),
        ("", "unnamed"),
        ("x" * 1000 + ".png", "x" * 396 + ".png"),
    ],
)
def test_file_names_are_sanitised_for_storage(send: Send, given: str, kept: str) -> None:
    assert send(files.png(files.phantom()), given).file_name == kept


def test_age_view_and_body_part_of_the_header_are_stored(send: Send) -> None:
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "399067008", "SCT"
    code.CodeMeaning = "lateral"
    send(
        files.dicom(
            files.phantom(),
            ViewPosition="XTABLE LATERAL",
            BodyPartExamined="CHEST",
            PatientAge="003M",
            PatientBirthDate="",
            ImageLaterality="U",
            ViewCodeSequence=[code],
        ),
        "a.dcm",
    )
    kept = Radiograph.objects.get()
    assert (kept.view_position, kept.body_part) == ("XTABLE LATERAL", "CHEST")
    assert (kept.patient_age, kept.laterality) == ("003M", "U")
    assert kept.codes == [
        {"of": "view", "value": "399067008", "scheme": "SCT", "meaning": "lateral"}
    ]
