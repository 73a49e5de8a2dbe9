"""Patients, studies and images over REST: permissions and audit entries."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.conftest import PASSWORD
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.api.study_serializers import CaseRecordSerializer, StudySerializer
from webportal.audit.models import Action, AuditEntry
from webportal.inference.models import Job
from webportal.records.choices import Category, Priority, ReadingState
from webportal.records.identity import shown_identity
from webportal.records.models import Study
from webportal.review.models import Read
from webportal.review.reads.reservation import reserve
from webportal.review.reads.services import Entry
from webportal.review.study.case_records import CASE_RECORD_FIELDS

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(radiologist: User, as_user: Call) -> APIClient:
    return as_user(radiologist)


def ids(client: APIClient, address: str, **filters: Any) -> list[str]:
    return [found["id"] for found in client.get(address, filters).json()["results"]]


def test_the_case_record_is_shown_and_taken_whole() -> None:
    assert set(CaseRecordSerializer().fields) == set(CASE_RECORD_FIELDS)
    assert set(CASE_RECORD_FIELDS) <= set(StudySerializer.Meta.fields)


def test_retrieving_one_is_audited_and_listing_is_not(client: APIClient, radiologist: User) -> None:
    radiograph = make_radiograph()
    study = radiograph.study
    client.get("/api/v1/studies")
    client.get("/api/v1/patients")
    client.get("/api/v1/radiographs")
    assert not AuditEntry.objects.exists()

    client.get(f"/api/v1/studies/{study.pk}")
    client.get(f"/api/v1/patients/{study.patient_id}")
    client.get(f"/api/v1/radiographs/{radiograph.pk}/image")
    client.get(f"/api/v1/radiographs/{radiograph.pk}/original")
    client.get(f"/api/v1/radiographs/{radiograph.pk}/dicom")
    entries = AuditEntry.objects.order_by("sequence")
    assert [(entry.action, entry.object_id) for entry in entries] == [
        (Action.STUDY_VIEWED, str(study.pk)),
        (Action.PATIENT_VIEWED, str(study.patient_id)),
        (Action.IMAGE_DOWNLOADED, str(radiograph.pk)),
        (Action.IMAGE_DOWNLOADED, str(radiograph.pk)),
        (Action.IMAGE_DOWNLOADED, str(radiograph.pk)),
    ]
    assert {entry.actor_id for entry in entries} == {radiologist.pk}


def test_files_are_returned_as_stored(client: APIClient) -> None:
    radiograph = make_radiograph()
    address = f"/api/v1/radiographs/{radiograph.pk}"
    original = client.get(f"{address}/original", headers={"Accept": "image/*"})
    assert len(b"".join(original)) == radiograph.original_bytes
    assert original["Content-Type"] == "application/dicom"
    assert b"".join(client.get(f"{address}/image")).startswith(b"\x89PNG")


def test_a_missing_stored_file_is_reported(client: APIClient) -> None:
    radiograph = make_radiograph(dicom_key="gone", original_key="gone")
    for what in ("image", "original", "dicom"):
        response = client.get(f"/api/v1/radiographs/{radiograph.pk}/{what}")
        assert response.status_code == 500
        assert response.json()["type"] == "urn:chestline:problem:file-missing"
    assert audit_actions() == ["file.damaged"]


def test_uploaders_complete_each_others_studies_without_seeing_results(
    uploader: User, as_user: Call
) -> None:
    of_the_shift_before = make_prediction()
    study_id = of_the_shift_before.radiograph.study_id
    client = as_user(uploader)
    assert ids(client, "/api/v1/studies") == [str(study_id)]
    assert ids(client, "/api/v1/radiographs") == [str(of_the_shift_before.radiograph_id)]
    assert ids(client, "/api/v1/jobs") == [str(of_the_shift_before.job_id)]
    changed = client.patch(f"/api/v1/studies/{study_id}", {"indication": "Cough"})
    assert changed.json()["indication"] == "Cough"
    study = client.get(f"/api/v1/studies/{study_id}").json()
    assert (study["analysis"], study["result"]) == ("done", None)
    # Nor by asking which of them are likely.
    assert ids(client, "/api/v1/studies", category="likely") == []
    assert client.get("/api/v1/studies/worklist").status_code == 403
    assert client.get("/api/v1/predictions").status_code == 403


def test_an_uploader_who_is_a_radiologist_too_sees_everything(
    uploader: User, as_user: Call
) -> None:
    uploader.roles = [Role.UPLOADER, Role.RADIOLOGIST]
    prediction = make_prediction()
    client = as_user(uploader)
    study = client.get(f"/api/v1/studies/{prediction.radiograph.study_id}").json()
    result = study["result"]
    assert (result["category"], result["probability"]) == ("likely", 0.93)
    assert (result["purpose"], result["doubts"]) == ("within", [])


def test_the_worklist_is_sorted_in_reading_order(client: APIClient) -> None:
    unlikely = make_prediction(category=Category.UNLIKELY).radiograph.study_id
    likely = make_prediction(category=Category.LIKELY).radiograph.study_id
    stat = make_study(priority=Priority.STAT).pk
    make_study(reading_state=ReadingState.SIGNED)
    assert ids(client, "/api/v1/studies/worklist") == [str(stat), str(likely), str(unlikely)]


def test_studies_are_filtered_and_paged(client: APIClient) -> None:
    stat = make_study(priority=Priority.STAT)
    others = [make_study() for _ in range(4)]
    assert ids(client, "/api/v1/studies", priority="stat") == [str(stat.pk)]
    assert ids(client, "/api/v1/studies", patient=stat.patient_id) == [str(stat.pk)]
    first = client.get("/api/v1/studies", {"page_size": "2", "ordering": "priority"}).json()
    assert first["count"] == 5
    assert first["results"][0]["id"] == str(stat.pk)
    seen = [study["id"] for study in first["results"]]
    address = first["next"]
    while address:
        page = client.get(address).json()
        seen += [study["id"] for study in page["results"]]
        address = page["next"]
    assert sorted(seen) == sorted(str(study.pk) for study in [stat, *others])


def test_the_case_record_can_be_changed_until_signing(client: APIClient, radiologist: User) -> None:
    radiograph = make_radiograph(make_study(indication="Cough"))
    study = radiograph.study
    address = f"/api/v1/studies/{study.pk}"
    response = client.patch(address, {"symptoms": ["fever", "cough"], "priority": "urgent"})
    assert response.status_code == 200
    assert response.json()["priority"] == "urgent"
    study.refresh_from_db()
    assert study.indication == "Cough"
    assert sorted(study.symptoms) == ["cough", "fever"]
    entry = AuditEntry.objects.get(action=Action.STUDY_CHANGED)
    assert (entry.actor_id, entry.study_id) == (radiologist.pk, study.pk)

    sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    response = client.patch(address, {"indication": "Fever"})
    assert response.status_code == 409
    assert "Write an addendum" in response.json()["detail"]


def test_correcting_a_patient_keeps_omitted_fields(client: APIClient) -> None:
    patient = make_patient(name="Phantom^Anna^Maria^Dr", birth_date="2020-02-29")
    address = f"/api/v1/patients/{patient.pk}"
    assert client.patch(address, {"sex": "F"}).json()["name"] == "Phantom^Anna^Maria^Dr"
    changed = client.patch(address, {"given_name": "Berta", "issuer": ""}).json()
    assert changed["name"] == "Phantom^Berta"
    assert changed["birth_date"] == "2020-02-29"
    response = client.patch(address, {"birth_date": "2999-01-01"})
    assert response.json()["errors"][0]["pointer"] == "#/birth_date"


def test_another_patients_id_is_a_conflict(client: APIClient) -> None:
    one, other = make_patient(), make_patient()
    response = client.patch(f"/api/v1/patients/{one.pk}", {"patient_id": other.patient_id})
    assert response.status_code == 409


def test_a_study_is_moved_to_the_right_patient(client: APIClient) -> None:
    study = make_study(patient=make_patient(is_temporary=True))
    right = make_patient(name="Phantom^Anna")
    identity = {"patient_id": right.patient_id, "issuer": right.issuer, "family_name": "Phantom"}
    response = client.put(f"/api/v1/studies/{study.pk}/patient", identity | {"given_name": "Anna"})
    assert response.json()["id"] == str(right.pk)
    study.refresh_from_db()
    assert study.patient == right


@pytest.fixture
def signed(radiologist: User) -> Study:
    study = make_radiograph().study
    sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    return study


def test_an_uploader_cannot_change_an_identity_under_which_a_read_is_signed(
    signed: Study, uploader: User, as_user: Call
) -> None:
    client, patient = as_user(uploader), signed.patient
    identity = {"patient_id": "H-1", "family_name": "Phantom"}
    answers = [
        client.patch(f"/api/v1/patients/{patient.pk}", {"family_name": "Other"}),
        client.patch(f"/api/v1/patients/{patient.pk}", {"birth_date": "2020-02-29"}),
        client.patch(f"/api/v1/patients/{patient.pk}", {"patient_id": "H-1"}),
        client.put(f"/api/v1/studies/{signed.pk}/patient", identity),
    ]
    for answer in answers:
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:chestline:problem:identity-signed"
        assert "/patients/{id}/correct" in answer.json()["detail"]
        assert "radiologist" in answer.json()["detail"]
    refused = client.post(f"/api/v1/patients/{patient.pk}/correct", {"sex": "F", "reason": "x"})
    assert refused.status_code == 403
    signed.refresh_from_db()
    assert shown_identity(signed.patient) == shown_identity(patient)


def test_a_radiologist_corrects_an_identity_with_a_reason(signed: Study, client: APIClient) -> None:
    address = f"/api/v1/patients/{signed.patient_id}"
    assert client.patch(address, {"sex": "F"}).status_code == 409
    missing = client.post(f"{address}/correct", {"sex": "F"})
    assert missing.json()["errors"][0]["pointer"] == "#/reason"
    answer = client.post(f"{address}/correct", {"sex": "F", "reason": "A slip."})
    assert (answer.status_code, answer.json()["sex"]) == (200, "F")
    entry = AuditEntry.objects.get(action=Action.IDENTITY_CORRECTED)
    assert (entry.detail["before"], entry.detail["after"]) == ({"sex": ""}, {"sex": "F"})
    assert entry.detail["reason"] == "A slip."


def test_a_radiologist_moves_a_signed_study_with_a_reason(signed: Study, client: APIClient) -> None:
    right = make_patient(name="Phantom^Anna")
    identity = {"patient_id": right.patient_id, "issuer": right.issuer, "family_name": "Phantom"}
    identity |= {"given_name": "Anna"}
    address = f"/api/v1/studies/{signed.pk}"
    assert client.put(f"{address}/patient", identity).status_code == 409
    answer = client.post(f"{address}/correct-patient", identity | {"reason": "Mixed up."})
    assert answer.json()["id"] == str(right.pk)
    assert client.get(address).json()["patient"] == str(right.pk)


def test_a_rerun_is_queued_once(client: APIClient, radiologist: User) -> None:
    radiograph = make_prediction().radiograph
    address = f"/api/v1/radiographs/{radiograph.pk}/rerun"
    job = client.post(address)
    assert job.status_code == 201
    assert Job.objects.get(pk=job.json()["id"]).created_by == radiologist
    assert client.post(address).status_code == 409


def test_search_matches_words(client: APIClient) -> None:
    patient = make_patient(name="Phantom^Anna", patient_id="X-77")
    study = make_study(patient=patient, accession_number="ACC-5")
    make_study()
    for text in ("anna phantom", "x-77", "acc-5"):
        found = client.post("/api/v1/studies/search", {"text": text}).json()
        assert [result["id"] for result in found["results"]] == [str(study.pk)], text
        found = client.post("/api/v1/patients/search", {"text": text}).json()
        assert [result["id"] for result in found["results"]] == [str(patient.pk)], text


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_study_reserved_by_another_is_moved_only_if_asked_explicitly(
    as_user: Call, make_user: Callable[..., User], radiologist: User, is_signed: bool
) -> None:
    study = make_prediction().radiograph.study
    former = study.patient_id
    reader = make_user(Role.RADIOLOGIST, username="reader")
    if is_signed:
        Read.objects.create(
            study=study,
            reader=radiologist,
            state="signed",
            decision="unaided",
            pneumonia="none",
            signed_at=timezone.now(),
        )
    reserve(study, reader)
    client = as_user(radiologist)

    def move(client: APIClient, **values: object) -> Any:
        given = {"patient_id": "OTHER-1", "family_name": "Other"} | values
        if is_signed:
            address = f"/api/v1/studies/{study.pk}/correct-patient"
            return client.post(address, given | {"reason": "Mixed up."})
        return client.put(f"/api/v1/studies/{study.pk}/patient", given)

    refused = move(client)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("reserved")
    assert "reader is reading this study" in refused.json()["detail"]
    study.refresh_from_db()
    assert study.patient_id == former
    assert move(client, despite_reservation=True).status_code == 200
    study.refresh_from_db()
    assert study.patient.patient_id == "OTHER-1"


def test_a_reserved_study_is_assigned_to_a_patient_by_its_reader(
    as_user: Call, radiologist: User
) -> None:
    study = make_prediction().radiograph.study
    reserve(study, radiologist)
    given = {"patient_id": "OTHER-1", "family_name": "Other"}
    answer = as_user(radiologist).put(f"/api/v1/studies/{study.pk}/patient", given)
    assert answer.status_code == 200
