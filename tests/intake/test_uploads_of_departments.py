"""Uploads and departments: where new studies go, and what a sender learns of other departments."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests import dicom_files as files
from webportal.accounts.departments import DepartmentError
from webportal.accounts.models import Department, Role, User
from webportal.intake import pipeline
from webportal.intake.batches.services import create_batch
from webportal.intake.models import UploadItem
from webportal.records.models import Patient, Study

pytestmark = pytest.mark.django_db
MakeUser = Callable[..., User]
SignIn = Callable[[User], Client]


@pytest.fixture
def elsewhere(uploader: User, radiologist: User) -> Department:
    """A department of neither of them."""
    return Department.objects.create(name="Elsewhere")


@pytest.fixture
def other(elsewhere: Department, make_user: MakeUser) -> User:
    person = make_user(Role.UPLOADER, username="other")
    person.departments.add(elsewhere)
    return person


def dicom(seed: int = 0, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), **elements)


def send(data: bytes, by: User, department: Department | None = None) -> UploadItem:
    batch = create_batch(by, department=department)
    (item,) = pipeline.receive_file(batch, "a.dcm", io.BytesIO(data), by)
    return item


def test_a_new_study_belongs_to_the_department_of_the_upload(
    uploader: User, elsewhere: Department
) -> None:
    uploader.departments.add(elsewhere)
    send(dicom(), uploader, elsewhere)
    assert Study.objects.get().department == elsewhere


def test_who_belongs_to_several_says_which(uploader: User, elsewhere: Department) -> None:
    uploader.departments.add(elsewhere)
    with pytest.raises(DepartmentError):
        create_batch(uploader)


def test_nobody_uploads_into_a_department_of_others(uploader: User, elsewhere: Department) -> None:
    with pytest.raises(DepartmentError):
        create_batch(uploader, department=elsewhere)
    uploader.departments.clear()
    with pytest.raises(DepartmentError, match="not a member of any department"):
        create_batch(uploader)


def test_the_form_asks_only_those_who_belong_to_several(
    uploader: User, elsewhere: Department, sign_in: SignIn
) -> None:
    browser = sign_in(uploader)
    assert b'name="department"' not in browser.get("/uploads/new").content
    uploader.departments.add(elsewhere)
    assert b'name="department"' in browser.get("/uploads/new").content
    form = {"priority": 2, "identity_mode": "temporary"}
    assert browser.post("/uploads/new", form).status_code == 422
    answer = browser.post("/uploads/new", form | {"department": elsewhere.pk})
    assert answer.status_code == 302


def test_the_same_file_in_another_department_is_reported_as_present_and_nothing_else(
    uploader: User, other: User, sign_in: SignIn
) -> None:
    data = dicom()
    send(data, other)
    study = Study.objects.get()
    item = send(data, uploader)
    assert (item.verdict, item.reason_code) == ("duplicate", "stored_elsewhere")
    browser = sign_in(uploader)
    for page in ("", "/results", "/results.csv"):
        shown = browser.get(f"/uploads/{item.batch_id}{page}").content.decode()
        for secret in (str(study.pk), str(study.patient_id), "PHANTOM-1", "Phantom"):
            assert secret not in shown, page
    answer = browser.get(f"/api/v1/batches/{item.batch_id}/files").json()["results"][0]
    assert (answer["study"], answer["radiograph"]) == (None, None)


def test_an_image_for_a_study_of_another_department_is_refused(uploader: User, other: User) -> None:
    send(dicom(1, StudyInstanceUID="1.2.3"), other)
    item = send(dicom(2, StudyInstanceUID="1.2.3"), uploader)
    assert (item.verdict, item.reason_code) == ("refused", "study_elsewhere")
    assert Study.objects.get().radiographs.count() == 1


def test_other_content_of_an_image_of_another_department_is_refused(
    uploader: User, other: User
) -> None:
    send(dicom(1, SOPInstanceUID="1.2.3.4"), other)
    item = send(dicom(2, SOPInstanceUID="1.2.3.4"), uploader)
    assert (item.verdict, item.reason_code) == ("refused", "study_elsewhere")


def test_the_identity_of_a_patient_is_the_whole_hospitals(uploader: User, other: User) -> None:
    send(dicom(1, StudyInstanceUID="1.2.3"), other)
    item = send(dicom(2, StudyInstanceUID="1.2.4"), uploader)
    assert item.verdict == "accepted"
    assert Patient.objects.get().studies.count() == 2
    assert Study.objects.visible_to(uploader).count() == 1
    held = send(dicom(3, StudyInstanceUID="1.2.5", PatientName="Else^One"), uploader)
    assert (held.verdict, held.reason_code) == ("held", "patient_mismatch")


def test_held_files_are_those_of_the_own_departments(
    uploader: User, other: User, sign_in: SignIn
) -> None:
    send(dicom(1), other)
    held = send(dicom(2, PatientName="Else^One"), other)
    assert held.verdict == "held"
    browser = sign_in(uploader)
    assert browser.get("/uploads/held").context["page"].paginator.count == 0
    assert browser.get(f"/uploads/held/{held.pk}").status_code == 404
    assert sign_in(other).get(f"/uploads/held/{held.pk}").status_code == 200
