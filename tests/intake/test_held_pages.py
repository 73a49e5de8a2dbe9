"""The pages of held files."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image
from pydicom import uid

from tests import dicom_files as files
from tests.helpers import audit_actions, fields_left_out
from tests.intake.conftest import Send
from webportal.accounts.models import User
from webportal.intake.models import UploadItem
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(uploader: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(uploader)


@pytest.fixture
def held(send: Send) -> list[UploadItem]:
    send(files.dicom(files.phantom()))
    return [
        send(files.dicom(files.phantom(seed=seed), PatientName="Doe^Jane"), f"{seed}.dcm")
        for seed in (1, 2)
    ]


def test_held_files_are_listed_and_compared(browser: Client, held: list[UploadItem]) -> None:
    listing = browser.get("/uploads/held").text
    assert all(str(item.pk) in listing for item in held)
    page = browser.get(f"/uploads/held/{held[0].pk}").text
    assert "Doe^Jane" in page
    assert "Phantom^One" in page
    assert "1 other held file" in page
    assert audit_actions()[-1] == "patient.viewed"


def test_the_correction_of_a_held_file_has_every_field_of_its_form(
    browser: Client, held: list[UploadItem]
) -> None:
    assert fields_left_out(browser.get(f"/uploads/held/{held[0].pk}")) == set()


def test_while_the_storage_is_away_the_page_says_so(
    browser: Client, held: list[UploadItem], storage_folder: Path
) -> None:
    storage_folder.rename(storage_folder.with_name("volume"))
    address = f"/uploads/held/{held[0].pk}"
    for answer in (
        browser.get(address),
        browser.post(address, {"decision": "same", "alike": "1"}, follow=True),
    ):
        assert answer.status_code == 200
        assert "cannot reach its storage" in answer.text
    assert browser.get(f"{address}/image.png").status_code == 404
    assert UploadItem.objects.filter(verdict="held").count() == len(held)


STUDY = uid.generate_uid()


@pytest.mark.parametrize(
    ("header", "marked"),
    [
        ({"PatientName": "Doe^Jane", "PatientSex": "F"}, ["Name", "Sex"]),
        ({"PatientID": "OTHER", "StudyInstanceUID": STUDY}, ["Patient ID", "Study"]),
        ({"PatientID": "UNKNOWN"}, ["Patient ID"]),
        ({"PatientID": "NEW", "PatientBirthDate": "20570101"}, ["Date of birth"]),
        ({"PatientID": "NEW", "StudyDate": "21990101"}, ["Study"]),
        ({"PatientID": "NEW", "StudyDate": "19600101"}, ["Date of birth", "Study"]),
        ({"PatientID": "NEW", "PatientName": "Müller^Jan"}, ["Name"]),
        ({"PatientID": "NEW", "AccessionNumber": "Ä-1"}, ["Study"]),
    ],
)
def test_the_values_in_doubt_are_marked(
    header: dict[str, Any], marked: list[str], browser: Client, send: Send
) -> None:
    send(files.dicom(files.phantom(), StudyInstanceUID=STUDY))
    data = files.dicom(files.phantom(seed=1), SpecificCharacterSet="ISO_IR 100", **header)
    item = send(data.replace(b"ISO_IR 100", b"ISO_IR 192"), "b.dcm")
    assert item.verdict == "held"
    page = browser.get(f"/uploads/held/{item.pk}").text
    assert re.findall(r'<tr class="differs"><th scope="row">([^<]+)', page) == marked


def test_one_decision_can_resolve_all_files_of_the_same_person(
    browser: Client, held: list[UploadItem]
) -> None:
    response = browser.post(
        f"/uploads/held/{held[0].pk}", {"decision": "same", "alike": "1"}, follow=True
    )
    assert "2 files are recorded for the patient on record." in response.text
    assert "No file is held" in response.text
    assert Radiograph.objects.filter(study__patient__name="Phantom^One").count() == 3


def discard(browser: Client, item: UploadItem) -> Any:
    return browser.post(f"/uploads/held/{item.pk}", {"decision": "discard", "confirmed": "1"})


def test_discarding_requires_confirmation(browser: Client, held: list[UploadItem]) -> None:
    page = browser.post(f"/uploads/held/{held[0].pk}", {"decision": "discard", "alike": "1"})
    assert "Discard this file and 1 other for good?" in page.text
    assert "Keep it" in page.text
    assert UploadItem.objects.filter(verdict="held").count() == 2
    answer = {"decision": "discard", "alike": "1", "confirmed": "1"}
    browser.post(f"/uploads/held/{held[0].pk}", answer)
    assert UploadItem.objects.filter(verdict="discarded").count() == 2


def test_the_preview_of_a_held_file_is_shown_and_audited(
    browser: Client, held: list[UploadItem], sign_in: Callable[[User], Client], it_person: User
) -> None:
    address = f"/uploads/held/{held[0].pk}/image.png"
    assert address in browser.get(f"/uploads/held/{held[0].pk}").text
    response = browser.get(address)
    assert Image.open(BytesIO(response.content)).size == files.SIZE[::-1]
    assert audit_actions()[-1] == "image.viewed"
    assert sign_in(it_person).get(address).status_code == 403
    discard(browser, held[0])
    assert browser.get(address).status_code == 404


def test_a_decision_on_one_file_does_not_affect_the_others(
    browser: Client, held: list[UploadItem]
) -> None:
    discard(browser, held[0])
    assert [item.verdict for item in UploadItem.objects.filter(pk__in=[i.pk for i in held])] == [
        "discarded",
        "held",
    ]


def test_a_file_that_was_decided_on_meanwhile_says_so(
    browser: Client, held: list[UploadItem]
) -> None:
    for _ in range(2):
        response = browser.post(f"/uploads/held/{held[0].pk}", {"decision": "same"}, follow=True)
    assert "This file was decided on already." in response.text
    assert Radiograph.objects.count() == 2


def test_a_decision_that_fails_keeps_the_file_and_says_why(browser: Client, send: Send) -> None:
    send(files.dicom(files.phantom()))
    item = send(files.dicom(files.phantom(), PatientName="Doe^Jane"))
    answer = {"decision": "bikram_sambat"}
    response = browser.post(f"/uploads/held/{item.pk}", answer, follow=True)
    assert "The file is still held." in response.text
    assert discard(browser, item).status_code == 302
