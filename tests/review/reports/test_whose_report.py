"""A report on paper says whose it is, of which examination, and which side is which."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from django.test import Client
from PIL import Image
from pypdf import PdfReader
from pytest_django.fixtures import Settings

from tests.factories import make_patient, make_radiograph, make_study, replace_file
from tests.review.reports.test_reports import sign, words_of_pdf
from webportal.accounts.models import User
from webportal.intake.batches.services import create_batch
from webportal.intake.models import UploadItem, Verdict
from webportal.records.files import read_dicom
from webportal.records.models import Radiograph, Study

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client: Client, radiologist: User) -> Client:
    client.force_login(radiologist)
    return client


def reports_of(browser: Client, study: Study) -> tuple[str, str]:
    """The report as a page and as a PDF, in words."""
    return browser.get(f"/studies/{study.pk}/report").text, words_of_pdf(browser, study)[1]


def test_reports_on_two_unidentified_patients_can_be_told_apart(
    browser: Client, radiologist: User
) -> None:
    batch = create_batch(radiologist)
    said = []
    for number in (1, 2):
        patient = make_patient(
            name="", patient_id=f"TEMP-{number}", is_temporary=True, birth_date=None, sex=""
        )
        study = make_study(patient=patient, performed_at=None)
        image = make_radiograph(study)
        UploadItem.objects.create(
            batch=batch,
            file_name=f"scan-{number}.png",
            sha256=image.original_sha256,
            size=1,
            verdict=Verdict.ACCEPTED,
            radiograph=image,
        )
        sign(study, radiologist)
        said.append((number, *reports_of(browser, study)))
    for number, *texts in said:
        for text in texts:
            assert f"temporary identity TEMP-{number}" in text
            assert f"scan-{number}.png" in text


def test_every_sheet_of_a_report_says_whose_it_is(browser: Client, radiologist: User) -> None:
    patient = make_patient(name="Doe^Jane", patient_id="P-1", birth_date="2022-03-04")
    study = make_study(patient=patient)
    sign(study, radiologist, comment="\n".join(["A line."] * 120))
    answer = browser.get(f"/studies/{study.pk}/report.pdf")
    sheets = [page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages]
    assert len(sheets) > 1
    for number, sheet in enumerate(sheets, 1):
        assert "Doe, Jane · P-1 · born 2022-03-04" in sheet
        assert f"Page {number} of {len(sheets)}" in " ".join(sheet.split())


def test_two_examinations_of_a_day_can_be_told_apart(
    browser: Client, radiologist: User, settings: Settings
) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    patient = make_patient()
    for at, said in (
        (datetime(2026, 3, 4, 0, 30, tzinfo=UTC), "2026-03-04 06:15"),
        (datetime(2026, 3, 4, 12, 15, tzinfo=UTC), "2026-03-04 18:00"),
        (datetime(2026, 3, 3, 18, 15, tzinfo=UTC), "Chest radiograph, 2026-03-04\n"),
    ):
        study = make_study(patient=patient, performed_at=at, description="")
        sign(study, radiologist)
        assert said in words_of_pdf(browser, study)[1]


def test_a_name_that_cannot_be_printed_is_reported(browser: Client, radiologist: User) -> None:
    words = "Characters that this file has no font for"
    for name, is_told in (("王^小东", True), ("Doe^Jane", False), ("श्रेष्ठ^आशा", False)):
        study = make_study(patient=make_patient(name=name))
        sign(study, radiologist)
        printed = " ".join(words_of_pdf(browser, study)[1].split())
        assert (words in printed) == is_told


def picture_with(
    orientation: list[str] | None, browser: Client, radiologist: User
) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The key image of a black radiograph with a Patient Orientation."""
    radiograph: Radiograph = make_radiograph(make_study(), size=(400, 320))
    dataset = pydicom.dcmread(BytesIO(read_dicom(radiograph)))
    dataset.PatientOrientation = orientation
    dataset.PixelData = bytes(len(dataset.PixelData))
    data = BytesIO()
    pydicom.dcmwrite(data, dataset)
    replace_file(radiograph, data.getvalue())
    sign(radiograph.study, radiologist)
    answer = browser.get(f"/studies/{radiograph.study_id}/report/key-image.png")
    return np.asarray(Image.open(BytesIO(answer.content)).convert("L"))


def test_the_key_image_names_its_sides_as_far_as_the_file_does(
    browser: Client, radiologist: User
) -> None:
    usual = picture_with(["L", "F"], browser, radiologist)
    mirrored = picture_with(["R", "F"], browser, radiologist)
    unknown = picture_with(None, browser, radiologist)
    assert not unknown.any()
    for picture in (usual, mirrored):
        assert picture[:, :40].max() == picture[:, -40:].max() == 255
        assert not picture[:, 40:-40].any()
    # The letters have changed places: "R" has more ink than "L".
    ink = [(each[:, :40] > 128).sum() - (each[:, -40:] > 128).sum() for each in (usual, mirrored)]
    assert ink[0] > 0 > ink[1]
