"""Files sent together: stored in one transaction where they are plain, with the same verdicts."""

import errno
import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from django.core.files import File
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.intake.conftest import counts, stored_files
from tests.intake.together import Files, dicom, pngs, receive
from tests.reading import sign
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.verification import verify
from webportal.inference import hints, inputs
from webportal.inference.models import Job
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.errors import StorageFullError
from webportal.intake.models import UploadBatch, UploadItem
from webportal.intake.pipeline import group, match
from webportal.records.models import Patient, Radiograph, Series, Study
from webportal.review.reads.services import Entry
from webportal.storage import DurableFileSystemStorage

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored_together(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of the files that were stored together, group by group."""
    groups: list[list[str]] = []
    store_plain = group.store_plain

    def noted(ready: Any) -> list[UploadItem | None]:
        stored = store_plain(ready)
        groups.append([item.file_name for item in stored if item is not None])
        return stored

    monkeypatch.setattr(group, "store_plain", noted)
    return groups


def test_plain_files_are_stored_in_one_transaction_with_one_hint(
    batch: UploadBatch,
    uploader: User,
    storage_folder: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    sent = pngs(range(5)) | {"d.dcm": dicom(7)}
    with (
        CaptureQueriesContext(connection) as queries,
        django_capture_on_commit_callbacks() as after_commit,
    ):
        verdicts = receive(batch, uploader, sent)
    assert verdicts == dict.fromkeys(sent, "accepted")
    statements = [each["sql"] for each in queries]
    assert sum("FROM audit_chainhead" in each for each in statements) == 1
    for table in ("records_patient", "records_study", "records_radiograph", "inference_job"):
        assert sum(f'INSERT INTO "{table}"' in each for each in statements) == 1
    assert [each.__module__ for each in after_commit] == [inputs.__name__, hints.__name__]
    assert counts() == dict.fromkeys(counts(), len(sent))
    assert len(stored_files(storage_folder)) == 5 * 2 + 1
    assert AuditEntry.objects.filter(action=Action.RADIOGRAPH_STORED).count() == len(sent)
    assert AuditEntry.objects.filter(action=Action.JOB_QUEUED).count() == len(sent)
    assert verify().findings == []


def test_files_that_are_not_plain_disturb_no_other_and_get_their_own_verdicts(
    batch: UploadBatch, uploader: User, stored_together: list[list[str]]
) -> None:
    known = dicom(1, PatientID="P-1", PatientName="Doe^Jane", PatientBirthDate="")
    receive(batch, uploader, {"known.dcm": known})
    same = dicom(3, PatientID="P-2")
    sent = {
        "first.dcm": dicom(2, PatientID="P-3", PatientName="Roe^Ann"),
        "known.dcm": known,
        "known_again.dcm": known,
        "nonsense.png": b"nonsense",
        "same.dcm": same,
        "same_again.dcm": same,
        "completes.dcm": dicom(4, PatientID="P-1", PatientName="Doe^Jane"),
        "other_person.dcm": dicom(5, PatientID="P-1", PatientName="Smith^John"),
        "other_in_group.dcm": dicom(6, PatientID="P-3", PatientName="Roe^Bob"),
        "no_letters.dcm": dicom(8, PatientID="UNKNOWN"),
        "last.png": files.png(files.phantom(seed=9)),
    }
    assert receive(batch, uploader, sent) == {
        "first.dcm": "accepted",
        "known.dcm": "accepted",
        "known_again.dcm": "duplicate",
        "nonsense.png": "refused not_an_image",
        "same.dcm": "accepted",
        "same_again.dcm": "duplicate",
        "completes.dcm": "accepted",
        "other_person.dcm": "held patient_mismatch",
        "other_in_group.dcm": "held patient_mismatch",
        "no_letters.dcm": "held no_identifier",
        "last.png": "accepted",
    }
    assert stored_together == [["first.dcm", "same.dcm", "last.png"]]
    assert Patient.objects.get(patient_id="P-1").birth_date is not None
    assert Radiograph.objects.count() == Job.objects.count() == 5
    assert verify().findings == []


def test_another_content_of_an_image_in_the_group_is_held(
    batch: UploadBatch, uploader: User
) -> None:
    uid = "1.2.3.4"
    sent = {f"{seed}.dcm": dicom(seed, SOPInstanceUID=uid) for seed in (1, 2)}
    expected = {"1.dcm": "accepted", "2.dcm": "held instance_exists"}
    assert receive(batch, uploader, sent) == expected


def test_a_version_of_an_image_that_is_sent_again_comes_before_a_newer_one(
    batch: UploadBatch, uploader: User
) -> None:
    """The first was refused for a reason that is over."""
    sent = {f"{seed}.dcm": dicom(seed, SOPInstanceUID="1.2.3.4") for seed in (1, 2)}
    UploadItem.objects.create(
        batch=batch,
        file_name="1.dcm",
        sha256=hashlib.sha256(sent["1.dcm"]).hexdigest(),
        size=len(sent["1.dcm"]),
        verdict="refused",
        reason_code="internal_error",
    )
    first = {"0.dcm": dicom(3)}
    expected = {"0.dcm": "accepted", "1.dcm": "accepted", "2.dcm": "held instance_exists"}
    assert receive(batch, uploader, first | sent) == expected


def test_images_of_one_study_share_patient_study_and_series(
    batch: UploadBatch, uploader: User, stored_together: list[list[str]]
) -> None:
    uids = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1", "PatientID": "P-1"}
    receive(batch, uploader, {f"{seed}.dcm": dicom(seed, **uids) for seed in (1, 2, 3)})
    other = uids | {"SeriesInstanceUID": "1.2.3.2"}
    later = {f"{seed}.dcm": dicom(seed, **(uids if seed < 6 else other)) for seed in (4, 5, 6)}
    receive(batch, uploader, later)
    assert [len(names) for names in stored_together] == [3, 3]
    assert Patient.objects.count() == Study.objects.count() == 1
    assert Series.objects.count() == 2
    assert Radiograph.objects.count() == Job.objects.count() == 6
    assert verify().findings == []


def test_a_study_of_somebody_else_in_the_group_leaves_no_patient_behind(
    batch: UploadBatch, uploader: User
) -> None:
    sent = {
        f"{patient}.dcm": dicom(seed, StudyInstanceUID="1.2.3", PatientID=patient)
        for seed, patient in enumerate(("P-1", "P-2"))
    }
    expected = {"P-1.dcm": "accepted", "P-2.dcm": "held study_mismatch"}
    assert receive(batch, uploader, sent) == expected
    assert Patient.objects.count() == 1


def test_images_for_a_signed_study_return_it_to_the_worklist(
    batch: UploadBatch, uploader: User, radiologist: User, stored_together: list[list[str]]
) -> None:
    receive(batch, uploader, {"1.dcm": dicom(1, StudyInstanceUID="1.2.3")})
    study = Study.objects.get()
    entry = Entry(None, "unaided", "none", comment="Clear.", images=1)
    sign(study, radiologist, entry, PASSWORD)
    more = {f"{seed}.dcm": dicom(seed, StudyInstanceUID="1.2.3") for seed in (2, 3)}
    assert receive(batch, uploader, more) == dict.fromkeys(more, "accepted")
    assert stored_together == [[]]
    study.refresh_from_db()
    assert study.reading_state == "unread"


def test_priors_are_stored_together_and_not_analysed(uploader: User) -> None:
    batch = services.create_batch(uploader, is_prior=True)
    receive(batch, uploader, pngs(range(3)))
    assert set(Study.objects.values_list("reading_state", flat=True)) == {"prior"}
    assert not Job.objects.exists()
    # One of them is sent to be read, among others.
    sent = pngs([0, 8, 9])
    receive(services.create_batch(uploader), uploader, sent)
    assert Job.objects.count() == 3
    assert Study.objects.filter(reading_state="unread").count() == 3
    assert verify().findings == []


def test_a_study_of_another_department_takes_no_image_of_a_group(
    make_user: Callable[..., User], uploader: User, batch: UploadBatch
) -> None:
    receive(batch, uploader, {"1.dcm": dicom(1, StudyInstanceUID="1.2.3")})
    stranger = make_user(Role.UPLOADER, username="other")
    stranger.departments.set([Department.objects.create(name="Elsewhere")])
    sent = {f"{seed}.dcm": dicom(seed, StudyInstanceUID="1.2.3") for seed in (2, 3)}
    verdicts = receive(services.create_batch(stranger), stranger, sent)
    assert set(verdicts.values()) == {"refused study_elsewhere"}


def test_two_files_of_a_group_do_not_share_a_line_of_the_sheet(
    uploader: User, stored_together: list[list[str]]
) -> None:
    records = {"a.png": CaseRecord("P-1"), "b.png": CaseRecord("P-2")}
    batch = services.create_batch(uploader, identity_mode="sheet", records=records)
    names = ["1/a.png", "2/a.png", "1/b.png", "c.png"]
    sent = {name: files.png(files.phantom(seed=n)) for n, name in enumerate(names)}
    expected = {
        "1/a.png": "accepted",
        "2/a.png": "refused ambiguous_sheet_line",
        "1/b.png": "accepted",
        "c.png": "refused not_in_sheet",
    }
    assert receive(batch, uploader, sent) == expected
    assert stored_together == [["1/a.png", "1/b.png"]]
    assert set(Patient.objects.values_list("patient_id", flat=True)) == {"P-1", "P-2"}


@pytest.mark.parametrize("error", [RuntimeError, OSError])
def test_a_group_that_cannot_be_stored_is_stored_file_by_file(
    error: type[Exception],
    batch: UploadBatch,
    uploader: User,
    storage_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise error("Doe^Jane")

    monkeypatch.setattr(group, "append_all", fail)
    sent = pngs(range(3))
    assert receive(batch, uploader, sent) == dict.fromkeys(sent, "accepted")
    assert counts() == dict.fromkeys(counts(), 3)
    assert len(stored_files(storage_folder)) == 6
    assert verify().findings == []
    assert f"failed with {error.__name__}" in caplog.text
    assert "Doe" not in caplog.text


def test_a_value_that_the_database_rejects_does_not_affect_the_rest_of_the_group(
    batch: UploadBatch, uploader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {f"{seed}.dcm": dicom(seed, StudyDescription=str(seed)) for seed in range(3)}
    new_study = match.new_study

    def with_a_bad_value(*args: Any) -> Study:
        study = new_study(*args)
        if study.description == "1":
            study.description = "\0"
        return study

    monkeypatch.setattr(match, "new_study", with_a_bad_value)
    assert receive(batch, uploader, sent) == {
        "0.dcm": "accepted",
        "1.dcm": "refused internal_error",
        "2.dcm": "accepted",
    }


def test_a_disk_that_fills_up_keeps_whole_files_only(
    batch: UploadBatch, uploader: User, storage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [5]
    save = DurableFileSystemStorage._save

    def full(self: DurableFileSystemStorage, name: str, content: File[bytes]) -> str:
        if len(stored_files(storage_folder)) >= room[0]:
            raise OSError(errno.ENOSPC, "It cannot be written")
        return save(self, name, content)

    monkeypatch.setattr(DurableFileSystemStorage, "_save", full)
    sent = pngs(range(4))
    with pytest.raises(StorageFullError):
        receive(batch, uploader, sent)
    # What there is room for: the group needs eight, two files four.
    assert counts() == dict.fromkeys(counts(), 2)
    assert len(stored_files(storage_folder)) == 4
    room[0] = 100
    assert receive(batch, uploader, sent) == dict.fromkeys(sent, "accepted")
    assert counts() == dict.fromkeys(counts(), 4)
    assert verify().findings == []


def test_large_files_are_not_held_in_memory_together(
    batch: UploadBatch,
    uploader: User,
    stored_together: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def in_groups(sent: Files) -> list[int]:
        stored_together.clear()
        assert receive(batch, uploader, sent) == dict.fromkeys(sent, "accepted")
        return [len(names) for names in stored_together]

    with monkeypatch.context() as changed:
        changed.setattr(group, "MOST_FILES", 4)
        assert in_groups(pngs(range(6))) == [4, 2]
    sent = {f"{seed}.dcm": dicom(seed) for seed in range(10, 14)}
    monkeypatch.setattr(group, "MOST_BYTES", 2 * max(map(len, sent.values())))
    assert in_groups(sent) == [2, 2]
    # A DICOM instance made from an image counts, too.
    sent = pngs(range(20, 26))
    monkeypatch.setattr(group, "MOST_BYTES", sum(map(len, sent.values())))
    assert max(in_groups(sent)) < len(sent)


def test_an_interrupted_request_is_completed_by_sending_it_again(
    batch: UploadBatch, uploader: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "MOST_FILES", 2)
    sent = pngs(range(5))

    def break_off() -> Iterable[tuple[str, io.BytesIO]]:
        for number, (name, data) in enumerate(sent.items()):
            if number == 3:
                settings.UPLOAD_MIN_FREE_BYTES = 2**62
            yield name, io.BytesIO(data)

    with pytest.raises(StorageFullError):
        pipeline.receive_files(batch, break_off(), uploader)
    # Those before the file for which there is no room, also of a group that is not full.
    assert Radiograph.objects.count() == 3
    settings.UPLOAD_MIN_FREE_BYTES = 0
    assert receive(batch, uploader, sent) == dict.fromkeys(sent, "accepted")
    assert Radiograph.objects.count() == Job.objects.count() == 5
