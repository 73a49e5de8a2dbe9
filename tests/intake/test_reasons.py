"""Reasons with figures and names in them: stored in English, shown in the reader's language."""

import re
from collections.abc import Callable
from io import BytesIO

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.factories import make_job
from webportal.accounts.models import User
from webportal.inference import reasons as of_jobs
from webportal.inference.models import JobState
from webportal.intake import pipeline, reasons
from webportal.intake.models import UploadBatch
from webportal.intake.templatetags.reasons import in_words as shown

NEPALI = {"Accept-Language": "ne"}


@pytest.mark.parametrize("template", reasons.TEMPLATES)
def test_what_is_filled_in_stays_and_the_rest_is_translated(template: str) -> None:
    values = {name: f"{name}-7" for name in re.findall(r"\{(\w+)\}", template)}
    stored = template.format(**values)
    assert reasons.in_words(stored) == stored
    with translation.override("ne"):
        words = reasons.in_words(stored)
    assert words != stored
    assert all(value in words for value in values.values())
    assert not re.search(r"\b(the|is|of|image|file)\b", words)


def test_words_of_ours_that_are_filled_in_are_translated_too() -> None:
    stored = reasons.PATIENT_MISMATCH.format(differences="name and date of birth")
    with translation.override("ne"):
        assert "नाम र जन्म मिति" in reasons.in_words(stored)


def test_a_sentence_that_is_not_known_is_shown_as_it_is_stored_and_marked_as_english() -> None:
    with translation.override("ne"):
        assert shown("Too <odd> for 1.0.") == '<span lang="en">Too &lt;odd&gt; for 1.0.</span>'
        assert shown("") == ""
    assert shown("Too odd for 1.0.") == "Too odd for 1.0."


@pytest.mark.django_db
def test_a_held_file_says_why_in_the_language_of_the_page(
    uploader: User, batch: UploadBatch, sign_in: Callable[[User], Client]
) -> None:
    pipeline.receive_file(batch, "a.dcm", BytesIO(files.dicom(files.phantom())), uploader)
    other = files.dicom(files.phantom(seed=1), PatientName="Doe^Jane", PatientSex="F")
    with translation.override("ne"):
        (item,) = pipeline.receive_file(batch, "b.dcm", BytesIO(other), uploader)
    assert "has another name" in item.reason, "stored in English, whoever sends it"
    page = sign_in(uploader).get(reverse("intake:held"), headers=NEPALI).text
    assert "बिरामीको नाम" in page
    assert "Patient record" not in page


@pytest.mark.django_db
def test_the_browser_is_told_in_its_language_and_programs_in_english(
    uploader: User, batch: UploadBatch, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    settings.UPLOAD_MAX_BYTES = 3 * 1024**2
    pipeline.receive_file(batch, "big.png", BytesIO(bytes(settings.UPLOAD_MAX_BYTES + 1)), uploader)
    client = sign_in(uploader)
    address = reverse("intake:received", args=[batch.pk])
    (item,) = client.get(address, headers=NEPALI).json()["items"]
    assert item["reason"].startswith("फाइल 3 MB भन्दा ठूलो छ")
    (item,) = client.get(f"/api/v1/batches/{batch.pk}/files", headers=NEPALI).json()["results"]
    assert item["reason"].startswith("The file is larger than 3 MB")


@pytest.mark.django_db
def test_hospital_it_reads_why_a_job_failed_in_the_language_of_the_page(
    it_person: User, sign_in: Callable[[User], Client]
) -> None:
    reason = of_jobs.WORKER_LOST.format(attempts=3)
    make_job(state=JobState.QUARANTINED, reason=reason, reason_code="worker_lost")
    page = sign_in(it_person).get("/operations", headers=NEPALI).text
    with translation.override("ne"):
        in_nepali = translation.gettext(of_jobs.WORKER_LOST).format(attempts=3)
    assert in_nepali != reason
    assert in_nepali in page
    assert reason not in page
