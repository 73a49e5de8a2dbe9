"""Who has seen this patient: under every identity, by user, as CSV and PDF, over REST."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from pypdf import PdfReader
from rest_framework.test import APIClient

from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.access.models import AccessEntry
from webportal.accounts.models import Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import append_all
from webportal.database.clock import clock
from webportal.records.models import Patient, Study
from webportal.records.services import change_patient, move_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def seen(radiologist: User) -> Study:
    """A study that the radiologist opened, with an image and a list."""
    patient = make_patient(name="Lammergeier^Anna", patient_id="LAM-1")
    study = make_study(patient=patient, accession_number="ACC-77")
    make_prediction(make_radiograph(study))
    open_all(study, radiologist, "192.0.2.1")
    return study


@pytest.fixture
def auditing(auditor: User, seen: Study) -> Client:
    client = Client()
    client.force_login(auditor)
    return client


def open_all(study: Study, person: User, address: str) -> None:
    client = Client(REMOTE_ADDR=address)
    client.force_login(person)
    image = study.radiographs.get()
    for path in (
        "/worklist?state=all",
        f"/studies/{study.pk}",
        f"/radiographs/{image.pk}/image.png",
    ):
        assert client.get(path).status_code == 200


def groups(client: Client, **query: str) -> list[tuple[str, str, int]]:
    context = client.get("/access-log", query).context
    return sorted((each.user, each.kind, each.count) for each in context["groups"])


@pytest.mark.parametrize("text", ["lammergeier anna", "LAM-1", "ACC-77"])
def test_a_search_shows_who_saw_the_patient_and_how(auditing: Client, text: str) -> None:
    answer = auditing.post("/access-log/search", {"text": text}, follow=True)
    assert text not in answer.redirect_chain[0][0]
    assert [
        (each.user, each.kind, each.count, each.addresses) for each in answer.context["groups"]
    ] == [
        ("radiologist", "image", 1, ["192.0.2.1"]),
        ("radiologist", "study", 1, ["192.0.2.1"]),
        ("radiologist", "list", 1, ["192.0.2.1"]),
    ]
    read = AccessEntry.objects.filter(kind="audit").order_by("-id")[0]
    assert (read.user, read.criteria["text"]) == ("auditor", text)
    assert read.patient_ids == [Patient.objects.get(patient_id="LAM-1").pk]
    noted = AuditEntry.objects.get(action=Action.ACCESS_VIEWED)
    assert noted.object_id == str(read.patient_ids[0])


def test_other_patients_are_excluded(auditing: Client, seen: Study, uploader: User) -> None:
    other = make_patient()
    client = Client()
    client.force_login(uploader)
    client.get(f"/patients/{other.pk}")
    found = groups(auditing, patient=str(other.pk))
    assert found == [("uploader", "patient", 1)]
    assert all(
        user == "radiologist" for user, _, _ in groups(auditing, patient=str(seen.patient_id))
    )


def test_refused_attempts_are_included(auditing: Client, seen: Study, uploader: User) -> None:
    client = Client()
    client.force_login(uploader)
    client.get(f"/studies/{seen.pk}")
    answer = auditing.get("/access-log", {"patient": str(seen.patient_id)})
    assert ("uploader", "refused") in [
        (each.user, each.outcome) for each in answer.context["groups"]
    ]


def test_a_moved_study_is_found_under_both_identities(
    auditing: Client, seen: Study, radiologist: User, make_user: Callable[..., User]
) -> None:
    wrong = seen.patient
    right = make_patient(name="Kestrel^Berta", patient_id="KES-2")
    with transaction.atomic():
        append_all(move_study(seen, right, radiologist), radiologist)
    late = make_user(Role.RADIOLOGIST, username="late")
    open_all(seen, late, "192.0.2.3")
    now = groups(auditing, patient=str(right.pk))
    assert ("radiologist", "study", 1) in now
    assert ("radiologist", "list", 1) in now
    assert ("late", "study", 1) in now
    then = groups(auditing, patient=str(wrong.pk))
    assert ("radiologist", "study", 1) in then
    assert [user for user, _, _ in then if user == "late"] == []
    # What is handed to one patient names no other person.
    page = auditing.get("/access-log", {"patient": str(right.pk)})
    assert page.context["subject"].former_identities == []
    by_number = auditing.post("/access-log/search", {"text": "LAM-1"}, follow=True)
    assert {each.pk for each in by_number.context["found"]} == {wrong.pk, right.pk}


def test_a_former_temporary_patient_is_found_by_its_name(
    auditing: Client, radiologist: User
) -> None:
    unknown = make_patient(patient_id="TEMP-9", name="", is_temporary=True)
    study = make_study(patient=unknown)
    make_radiograph(study)
    open_all(study, radiologist, "192.0.2.1")
    right = make_patient(name="Kestrel^Berta", patient_id="KES-2")
    with transaction.atomic():
        append_all(move_study(study, right, radiologist), radiologist)
    assert not Patient.objects.filter(pk=unknown.pk).exists()
    answer = auditing.post("/access-log/search", {"text": "TEMP-9"}, follow=True)
    assert answer.context["subject"].patient == right
    assert "TEMP-9" in str(answer.context["subject"].former_identities)
    assert {each.kind for each in answer.context["groups"]} == {"list", "study", "image"}


def test_a_former_name_is_found_and_shown(auditing: Client, seen: Study, radiologist: User) -> None:
    change_patient(seen.patient, {"name": "Bartgeier^Anna"}, radiologist)
    answer = auditing.post("/access-log/search", {"text": "Lammergeier"}, follow=True)
    assert answer.context["subject"].patient == seen.patient
    assert "LAMMERGEIER" in answer.content.decode().upper()


def test_filters_narrow_by_person_address_kind_and_day(auditing: Client, seen: Study) -> None:
    patient = str(seen.patient_id)
    day = clock().date()
    assert groups(auditing, patient=patient, user="somebody else") == []
    assert groups(auditing, patient=patient, address="192.0.2.2") == []
    assert len(groups(auditing, patient=patient, address="192.0.2.1")) == 3
    assert groups(auditing, patient=patient, kind="image") == [("radiologist", "image", 1)]
    assert groups(auditing, patient=patient, last_day=str(day - timedelta(days=2))) == []
    assert auditing.get("/access-log", {"first_day": "x"}).status_code == 400


def test_individual_entries_are_paginated_without_a_patient(auditing: Client, seen: Study) -> None:
    answer = auditing.get("/access-log", {"user": "radiologist"})
    assert {entry.user for entry in answer.context["page"].entries} == {"radiologist"}
    assert "LAMMERGEIER" in answer.content.decode().upper()
    last = AccessEntry.objects.filter(kind="audit").first()
    assert last is not None
    assert seen.patient_id in last.patient_ids


def test_exports_contain_every_entry_and_are_recorded(auditing: Client, seen: Study) -> None:
    query = {"patient": str(seen.patient_id)}
    answer = auditing.get("/access-log/export/csv", query)
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    mine = [row for row in rows if row["user"] == "radiologist"]
    assert {row["kind"] for row in mine} == {"list", "study", "image"}
    answer = auditing.get("/access-log/export/pdf", query)
    pages = PdfReader(io.BytesIO(answer.content)).pages
    words = "\n".join(page.extract_text() for page in pages)
    assert "LAM-1" in words
    assert words.count("192.0.2.1") >= 6
    assert auditing.get("/access-log/export/doc", query).status_code == 400
    noted = AuditEntry.objects.filter(action=Action.ACCESS_EXPORTED)
    assert sorted(entry.detail["format"] for entry in noted) == ["csv", "pdf"]


def test_rest_finds_a_patient_and_who_saw_them(auditor: User, seen: Study) -> None:
    client = APIClient()
    client.force_authenticate(auditor)
    found = client.post("/api/v1/access-entries/patients", {"text": "lammergeier"}).json()
    assert [each["id"] for each in found] == [str(seen.patient_id)]
    answer = client.get("/api/v1/access-entries", {"patient": found[0]["id"], "kind": "study"})
    (entry,) = answer.json()["results"]
    assert (entry["user"], entry["study_ids"]) == ("radiologist", [str(seen.pk)])
    assert client.get("/api/v1/access-entries", {"patient": "x"}).status_code == 400
