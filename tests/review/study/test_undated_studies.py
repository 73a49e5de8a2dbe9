"""A study without a date is shown without one: the upload date is never used instead."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.intake.models import UploadBatch, UploadItem
from webportal.records.models import Study
from webportal.review.study.priors import timeline

pytestmark = pytest.mark.django_db


@pytest.fixture
def undated() -> Study:
    """A study of an adult by the birth date, with a result; nobody said when it was made."""
    patient = make_patient(birth_date=date(1950, 1, 1))
    return make_prediction(make_radiograph(make_study(patient=patient))).radiograph.study


def test_the_pages_say_that_no_date_was_given(
    undated: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(radiologist)
    page = browser.get(reverse("review:study", args=[undated.pk])).text
    found = re.search(r'<script id="viewer-data" type="application/json">(.*?)</script>', page)
    assert found is not None
    assert "date not given" in found[1]
    today = f"{timezone.localdate():%Y-%m-%d}"
    assert today not in json.dumps(json.loads(found[1]))
    assert "years old" not in page
    assert "age not known" in page
    history = browser.get(reverse("records:patient", args=[undated.patient_id])).text
    assert "date not given" in history


def test_undated_studies_come_last_and_have_no_interval(undated: Study, radiologist: User) -> None:
    dated = make_study(patient=undated.patient, performed_at=datetime(2020, 1, 1, tzinfo=UTC))
    entries = timeline(dated, radiologist)
    assert [entry.study for entry in entries] == [dated, undated]
    assert (entries[1].at, entries[1].interval) == (None, "")


def test_results_have_no_study_date(
    undated: Study, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    person = make_user(Role.RADIOLOGIST, Role.UPLOADER)
    batch = UploadBatch.objects.create(created_by=person, department=undated.department)
    UploadItem.objects.create(
        batch=batch,
        file_name="a.dcm",
        sha256="0" * 64,
        size=1,
        verdict="accepted",
        radiograph=undated.radiographs.get(),
    )
    browser = sign_in(person)
    header, line = browser.get(f"/uploads/{batch.pk}/results.csv").text.splitlines()
    values = dict(zip(header.split(","), line.split(","), strict=True))
    assert values["study_date"] == ""
    assert "date not given" in browser.get(f"/uploads/{batch.pk}/results").text
    study = undated
    study.performed_at = timezone.now() - timedelta(days=900)
    study.save(update_fields=["performed_at"])
    assert f"{study.performed_at:%Y-%m-%d}" in browser.get(f"/uploads/{batch.pk}/results.csv").text
