"""Files with the patient's ID that may be somebody else's are not erased with the patient."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from tests.dicom_files import dicom, phantom
from tests.factories import make_patient, make_radiograph, make_study
from tests.intake.conftest import Send, batch, send
from tests.network.rows import make_node
from webportal.accounts.models import User
from webportal.erasure import certificate, execution, services
from webportal.erasure import plan as plans
from webportal.erasure.files import INBOX
from webportal.erasure.models import Erasure
from webportal.erasure.obstacles import obstacles
from webportal.erasure.traces import Traces, header_of
from webportal.intake.models import UploadItem
from webportal.network.models import Node, ReceivedInstance
from webportal.records.choices import ReadingState
from webportal.records.models import EmergencyAccess, Patient, Radiograph, Study
from webportal.storage import trash
from webportal.upkeep import pauses
from webportal.upkeep.models import PauseReason

__all__ = ["batch", "send"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient() -> Patient:
    made = make_patient(name="Quux^Zoe", patient_id="ZZ-9", issuer="", birth_date="1980-03-04")
    make_radiograph(make_study(patient=made, reading_state=ReadingState.SIGNED))
    return Patient.objects.get(pk=made.pk)


@pytest.fixture
def node(db: None) -> Node:
    return make_node()


def header(**elements: Any) -> bytes:
    given = {"PatientID": "ZZ-9", "PatientName": "Quux^Zoe", "PatientBirthDate": "19800304"}
    return dicom(phantom(), **given | elements)


def confirmed(patient: Patient, **fields: Any) -> Erasure:
    now = timezone.now()
    return Erasure.objects.create(
        patient=patient.pk,
        reason="Request",
        state="confirmed",
        requested_at=now,
        decided_at=now,
        **fields,
    )


@pytest.mark.parametrize("name", ["Quux^Zoe", "Somebody^Else"])
def test_a_held_file_has_to_be_decided_on_first(
    name: str, patient: Patient, send: Send, uploader: User
) -> None:
    # Held for its letters or for its name; only a person knows whose image it is.
    item = send(header(PatientName=name, PatientBirthDate="19900101"))
    assert item.verdict == "held"
    erasure = execution.carry_out(confirmed(patient))
    assert (erasure.state, erasure.waits_for) == ("requested", "held_files")
    with pytest.raises(services.ErasureError, match="Decide on the held files first"):
        services.refuse_obstacles(plans.of_patient(patient))
    # Even where nobody is asked, as after a restore, the only copy stays.
    Erasure.objects.all().delete()
    assert execution.carry_out(confirmed(patient), again=True).state == "done"
    assert default_storage.exists(UploadItem.objects.get(pk=item.pk).held_key)


def in_inbox(folder: Path, node: Node, data: bytes, study_uid: str = "") -> ReceivedInstance:
    folder.mkdir(exist_ok=True)
    sha256, now = hashlib.sha256(data).hexdigest(), timezone.now()
    (folder / f"{sha256}.dcm").write_bytes(data)
    return ReceivedInstance.objects.create(
        sha256=sha256,
        size=len(data),
        node=node,
        state="refused",
        reason_code="damaged",
        study_instance_uid=study_uid,
        first_received_at=now,
        received_at=now,
    )


def test_refused_files_of_others_stay_in_the_inbox(
    patient: Patient, node: Node, inbox_folder: Path
) -> None:
    uid = patient.studies.get().study_instance_uid
    own = in_inbox(inbox_folder, node, header())
    other = in_inbox(inbox_folder, node, header(PatientName="Somebody^Else"))
    nameless = in_inbox(inbox_folder, node, header(PatientName="", PatientBirthDate=""))
    of_study = in_inbox(inbox_folder, node, b"damaged", uid)
    denied = in_inbox(inbox_folder, node, header(PatientID="ZZ-10"), uid)
    assert execution.carry_out(confirmed(patient)).state == "done"
    left = {other, nameless, denied}
    assert set(ReceivedInstance.objects.all()) == left
    assert {path.name for path in inbox_folder.iterdir()} == {row.file_name for row in left}
    assert not (inbox_folder / own.file_name).exists()
    assert not (inbox_folder / of_study.file_name).exists()


def test_copies_in_the_inbox_under_other_names_are_found_by_what_is_in_them(
    patient: Patient, inbox_folder: Path
) -> None:
    image = Radiograph.objects.get(study__patient=patient)
    with default_storage.open(image.dicom_key) as file:
        same_bytes = file.read()
    folder = inbox_folder / "by hand"
    folder.mkdir(parents=True)
    own = {
        "Zoe.dcm": header(),
        "by hand/copy": same_bytes,
        f"{hashlib.sha256(b'no').hexdigest()}.dcm": header(
            StudyInstanceUID=image.study.study_instance_uid, PatientID="", PatientName=""
        ),
    }
    kept = {
        "other.dcm": header(PatientName="Somebody^Else"),
        "by hand/note.txt": b"nobody knows",
        ".incoming-1": header(),
    }
    for name, data in (own | kept).items():
        (inbox_folder / name).write_bytes(data)
    erasure = execution.carry_out(confirmed(patient))
    assert (erasure.state, erasure.unreadable) == ("done", 1)
    left = {str(each.relative_to(inbox_folder)) for each in inbox_folder.rglob("*")}
    assert left - {"by hand"} == set(kept)
    assert {hashlib.sha256(data).hexdigest() for data in own.values()} <= set(erasure.hashes)
    limits = "\n".join(certificate.limits(erasure))
    assert "nobody can tell whose they are: 1. They stay." in limits


def test_the_certificate_says_which_files_were_not_searched(patient: Patient) -> None:
    erasure = execution.carry_out(confirmed(patient))
    limits = "\n".join(certificate.limits(erasure))
    assert "that no record names" in limits
    assert "deleted 30 days later" in limits
    assert "paused" not in limits
    pauses.pause(PauseReason.OLDER_DATABASE)
    assert "is paused at present" in "\n".join(certificate.limits(erasure))


def test_an_unknown_issuer_matches_only_if_one_patient_has_the_number(
    patient: Patient,
) -> None:
    unsaid, said = header_of(header()), header_of(header(IssuerOfPatientID="Mission"))
    assert unsaid is not None
    assert said is not None
    traces = Traces.of(patient, [])
    assert traces.are_in_header(unsaid)
    assert traces.are_in_header(said)
    make_patient(patient_id="ZZ-9", issuer="Mission")
    traces = Traces.of(patient, [])
    assert traces.are_in_header(unsaid)
    assert not traces.are_in_header(said)
    # Of a held file nobody knows.
    assert traces.concern(said)


def test_an_emergency_access_is_reviewed_first(patient: Patient, radiologist: User) -> None:
    now = timezone.now()
    access = EmergencyAccess.objects.create(
        person=radiologist, patient=patient, reason="Stroke", began_at=now, ends_at=now
    )
    assert obstacles(plans.of_patient(patient)) == ["emergency"]
    access.outcome, access.reviewed_by, access.reviewed_at = "justified", radiologist, now
    access.save()
    assert obstacles(plans.of_patient(patient)) == []


def test_nothing_is_certified_where_the_patient_is_gone(patient: Patient) -> None:
    other = make_patient()
    erasure = confirmed(other)
    other.delete()
    erasure = execution.carry_out(erasure)
    assert (erasure.state, erasure.waits_for, erasure.entries) == ("requested", "changed", [])


def test_the_list_is_the_same_without_the_inbox(
    patient: Patient, node: Node, inbox_folder: Path
) -> None:
    before = plans.of_patient(patient).digest
    row = in_inbox(inbox_folder, node, header())
    plan = plans.of_patient(patient)
    assert f"{INBOX}{row.file_name}" in plan.files
    assert plan.digest == before


def test_a_file_that_cannot_be_read_is_named_and_stops_nothing(
    patient: Patient, send: Send, storage_folder: Path
) -> None:
    item = send(header(PatientName="Somebody^Else"))
    place = storage_folder / item.held_key
    place.unlink()
    place.mkdir()  # reading a folder is an OSError
    assert plans.of_patient(patient).unreadable == {item.held_key}
    assert execution.carry_out(confirmed(patient)).state == "done"


def test_newer_files_of_a_patient_stay_where_the_last_study_is_due(
    patient: Patient, settings: Any
) -> None:
    settings.RETENTION_YEARS, settings.RETENTION_MINORS_UNTIL = 10, 0
    Study.objects.update(performed_at=timezone.now() - timedelta(days=4000))
    key = trash.key_in_trash("dicom/aa/bb/newer.dcm")
    default_storage.save(key, ContentFile(header()))
    study = patient.studies.get()
    now = timezone.now()
    erasure = Erasure.objects.create(
        studies=[str(study.pk)], reason="Ten", state="confirmed", requested_at=now, decided_at=now
    )
    assert execution.carry_out(erasure).state == "done"
    assert not Study.objects.exists()
    assert Patient.objects.filter(pk=patient.pk).exists()
    assert default_storage.exists(key)
