"""Files whose patient is in doubt are held, and a person decides."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests import dicom_files as files
from tests.helpers import audit_actions
from tests.intake.conftest import Send, stored, stored_files
from webportal.accounts.models import User
from webportal.inference.models import Job
from webportal.intake.batches import services
from webportal.intake.cases import case_record
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.errors import NotHeldError, PatientDoubtError
from webportal.intake.held import resolution
from webportal.intake.held.resolution import HeldDecision
from webportal.intake.models import IdentityMode, UploadItem
from webportal.records.models import OWN_ISSUER, Patient, Radiograph, Study
from webportal.storage import read_verified

pytestmark = pytest.mark.django_db(transaction=True)


def dicom(seed: int = 0, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), **elements)


@pytest.fixture
def recorded(send: Send) -> Patient:
    """Phantom^One, born 1970-01-01, known under PHANTOM-1."""
    send(dicom(seed=100))
    return Patient.objects.get()


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientName": "Doe^Jane"},
        {"PatientName": "Phantom^One^Middle"},
        {"PatientBirthDate": "19700102"},
        {"PatientSex": "F"},
    ],
)
def test_a_contradicting_file_is_held_and_changes_no_record(
    elements: dict[str, Any], recorded: Patient, send: Send
) -> None:
    data = dicom(**elements)
    item = send(data)
    assert (item.verdict, item.reason_code) == ("held", "patient_mismatch")
    assert stored(item.held_key) == data
    assert Patient.objects.get() == recorded
    assert Radiograph.objects.count() == Job.objects.count() == 1
    assert audit_actions()[-1] == "file.held"
    assert send(data).pk == item.pk


@pytest.mark.parametrize(
    "elements",
    [
        {"PatientName": "PHANTOM^one^^"},
        {"PatientName": " Phantom ^One=ideographic"},
        {"PatientName": ""},
        {"PatientBirthDate": ""},
        {"PatientSex": ""},
    ],
)
def test_a_different_notation_of_the_same_is_no_contradiction(
    elements: dict[str, Any], recorded: Patient, send: Send
) -> None:
    assert send(dicom(**elements)).verdict == "accepted"


def test_names_are_compared_in_the_first_representation_that_both_have(send: Send) -> None:
    send(dicom(seed=100, PatientName="=Wang^Xiaodong"))
    assert send(dicom(seed=1, PatientName="=Li^Na")).verdict == "held"
    assert send(dicom(seed=2, PatientName="Wang^X=wang^xiaodong")).verdict == "accepted"
    assert send(dicom(seed=3, PatientName="Ong^Siew==Wang")).verdict == "accepted"


def test_the_same_patient_id_of_another_issuer_is_another_patient(
    recorded: Patient, send: Send
) -> None:
    item = send(dicom(PatientName="Doe^Jane", IssuerOfPatientID="ELSEWHERE"))
    assert item.verdict == "accepted"
    assert Patient.objects.count() == 2


def test_a_study_of_another_patient_is_held(recorded: Patient, send: Send) -> None:
    uid = Study.objects.get().study_instance_uid
    item = send(dicom(PatientID="OTHER", StudyInstanceUID=uid))
    assert (item.verdict, item.reason_code) == ("held", "study_mismatch")
    assert Patient.objects.get() == recorded


def test_the_information_shown_before_deciding(
    recorded: Patient, send: Send, uploader: User
) -> None:
    asked = resolution.question(
        send(dicom(PatientName="Doe^Jane", PatientBirthDate="19800101")), uploader
    )
    assert asked.recorded == recorded
    assert asked.claimed.name == "Doe^Jane"
    assert asked.differences == ["name", "date of birth"]


def test_the_recorded_patient(
    recorded: Patient, send: Send, uploader: User, storage_folder: Path
) -> None:
    item = send(dicom(PatientName="Doe^Jane"))
    resolved = resolution.resolve(item, HeldDecision.SAME, uploader)
    assert (resolved.pk, resolved.verdict) == (item.pk, "accepted")
    assert resolved.radiograph is not None
    assert resolved.radiograph.study.patient == recorded
    assert Patient.objects.get().name == "Phantom^One"
    assert Job.objects.filter(radiograph=resolved.radiograph).exists()
    assert not [name for name in stored_files(storage_folder) if name.startswith("held/")]
    assert audit_actions()[-1] == "file.resolved"


def test_another_person(recorded: Patient, send: Send, uploader: User) -> None:
    resolved = resolution.resolve(send(dicom(PatientName="Doe^Jane")), HeldDecision.OTHER, uploader)
    assert resolved.radiograph is not None
    patient = resolved.radiograph.study.patient
    assert patient != recorded
    assert (patient.name, patient.issuer, patient.is_temporary) == ("Doe^Jane", OWN_ISSUER, True)


def test_another_person_in_a_recorded_study(recorded: Patient, send: Send, uploader: User) -> None:
    uid = Study.objects.get().study_instance_uid
    held = [
        send(dicom(seed, PatientID="OTHER", StudyInstanceUID=uid), str(seed)) for seed in (1, 2)
    ]
    resolved = [resolution.resolve(item, HeldDecision.OTHER, uploader) for item in held]
    studies = {item.radiograph.study for item in resolved if item.radiograph}
    assert len(studies) == 1
    assert studies.pop().patient != recorded


def test_an_image_is_wrapped_for_the_chosen_patient(
    recorded: Patient, send: Send, uploader: User
) -> None:
    def held(seed: int) -> UploadItem:
        record = CaseRecord("PHANTOM-1", name="Doe^Jane")
        batch = services.create_batch(
            uploader, identity_mode=IdentityMode.FORM, records={case_record.FORM_KEY: record}
        )
        return send(files.png(files.phantom(seed=seed)), to=batch)

    for seed, decision in enumerate((HeldDecision.SAME, HeldDecision.OTHER)):
        resolved = resolution.resolve(held(seed), decision, uploader)
        assert resolved.radiograph is not None
        instance = pydicom.dcmread(BytesIO(stored(resolved.radiograph.dicom_key)))
        study = resolved.radiograph.study
        assert instance.PatientID == study.patient.patient_id
        assert instance.PatientName == study.patient.name
        assert instance.StudyInstanceUID == study.study_instance_uid


def test_discarded(recorded: Patient, send: Send, uploader: User, storage_folder: Path) -> None:
    data = dicom(PatientName="Doe^Jane")
    item = resolution.resolve(send(data), HeldDecision.DISCARD, uploader)
    assert item.verdict == "discarded"
    assert Radiograph.objects.count() == 1
    assert not [name for name in stored_files(storage_folder) if name.startswith("held/")]
    assert send(data).verdict == "discarded"


@pytest.mark.parametrize("second", list(HeldDecision))
def test_a_decision_is_made_once(
    second: HeldDecision, recorded: Patient, send: Send, uploader: User
) -> None:
    item = send(dicom(PatientName="Doe^Jane"))
    resolution.resolve(item, HeldDecision.SAME, uploader)
    stale = UploadItem(pk=item.pk, batch=item.batch, verdict="held", held_key=item.held_key)
    with pytest.raises(NotHeldError):
        resolution.resolve(UploadItem.objects.get(pk=item.pk), second, uploader)
    with pytest.raises(NotHeldError):
        resolution.resolve(stale, second, uploader)
    assert Radiograph.objects.count() == 2


@pytest.mark.parametrize("decision", [HeldDecision.SAME, HeldDecision.OTHER])
def test_a_file_removed_by_a_simultaneous_decision_is_no_longer_held(
    decision: HeldDecision,
    recorded: Patient,
    send: Send,
    uploader: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = send(dicom(PatientName="Doe^Jane"))
    read = read_verified

    def read_too_late(key: str, sha256: str) -> bytes:
        monkeypatch.undo()
        resolution.resolve(UploadItem.objects.get(pk=item.pk), HeldDecision.DISCARD, uploader)
        return read(key, sha256)

    monkeypatch.setattr(resolution, "read_verified", read_too_late)
    with pytest.raises(NotHeldError):
        resolution.resolve(item, decision, uploader)
    assert Radiograph.objects.count() == 1


def test_a_decision_that_cannot_be_carried_out_leaves_the_file_held(
    recorded: Patient, send: Send, uploader: User
) -> None:
    item = send(dicom(PatientName="Doe^Jane"))
    with pytest.raises(PatientDoubtError):
        resolution.resolve(item, HeldDecision.BIKRAM_SAMBAT, uploader)
    item.refresh_from_db()
    assert item.verdict == "held"
    assert stored(item.held_key)


def test_files_that_name_the_same_person_are_found_together(
    recorded: Patient, send: Send, uploader: User
) -> None:
    first = send(dicom(1, PatientName="Doe^Jane"), "1")
    second = send(dicom(2, PatientName="Doe^Jane"), "2")
    send(dicom(3, PatientName="Roe^Jane"), "3")
    assert resolution.alike(first, uploader) == [second]
