"""Every page that shows a result follows the purpose rule."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader
from rest_framework.test import APIClient

from tests.factories import (
    make_model_version,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.intake.batches import services
from webportal.intake.models import UploadItem, Verdict
from webportal.notifications import stat_studies
from webportal.notifications.models import Notification
from webportal.records.choices import Category, Priority
from webportal.records.models import Study
from webportal.review.models import Decision
from webportal.review.reads.decisions import open_choices
from webportal.review.reads.queries import leading_prediction
from webportal.review.reads.reservation import reserve_next

pytestmark = pytest.mark.django_db

POPULATION = {"prevalence": 0.5, "youngest_years": 1, "oldest_years": 5, "views": ["AP"]}
CHILD, ADULT = date(2023, 1, 1), date(1980, 1, 1)
TAKEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add(
    category: str = "likely", born: date | None = CHILD, study: Study | None = None, **header: Any
) -> Prediction:
    """A result of the model for children in AP view."""
    study = study or make_study(patient=make_patient(birth_date=born), performed_at=TAKEN)
    model = make_model_version("for-children", population=POPULATION)
    radiograph = make_radiograph(study, **{"view_position": "AP", **header})
    return make_prediction(radiograph, category, model_version=model)


def row(page: str, study: Study) -> str:
    return page.split(f'id="row-{study.pk}"', 1)[1].split("</tr>", 1)[0]


def test_the_worklists_row_of_an_adult_is_neither_red_nor_green(browser: Client) -> None:
    results = [add("likely", ADULT), add("unlikely", ADULT)]
    page = browser.get("/worklist").text
    for result in results:
        shown = row(page, result.radiograph.study)
        assert 'class="category category-outside_purpose">Outside its purpose</span>' in shown
        assert "46 years old" in shown
        for word in ("category-likely", "category-unlikely", "93 %", "4 %"):
            assert word not in shown


def test_the_worklist_row_shows_unknown_values(browser: Client) -> None:
    result = add("likely", None, view_position="")
    shown = row(browser.get("/worklist").text, result.radiograph.study)
    assert "Pneumonia likely · 93 %" in shown
    assert "age not known" in shown
    assert "view not known" in shown


def test_the_worklist_says_that_images_differ_and_that_one_is_a_lateral(browser: Client) -> None:
    first = add("unlikely")
    study = first.radiograph.study
    add("likely", study=study)
    add("likely", study=study, view_position="LAT")
    shown = row(browser.get("/worklist").text, study)
    assert "Pneumonia likely · 93 %" in shown
    assert "images differ" in shown
    assert "1 not assessable" in shown
    page = browser.get(f"/studies/{study.pk}").text
    assert "The model results of the images differ" in page
    assert "1 image of this study is not assessable" in page


def test_an_age_without_a_birth_date_is_shown(browser: Client) -> None:
    study = add("likely", None, patient_age="045Y").radiograph.study
    assert "45 y" in row(browser.get("/worklist").text, study)
    assert "45 y" in browser.get(f"/studies/{study.pk}").text


def test_worklist_order_filters_and_counts_follow_the_rule(browser: Client) -> None:
    adult, child = add("likely", ADULT), add("indeterminate")
    unlikely, lateral = add("unlikely"), add("likely", view_position="LAT")
    page = browser.get("/worklist").text
    places = [
        page.index(f'id="row-{result.radiograph.study_id}"')
        for result in (child, adult, lateral, unlikely)
    ]
    assert places == sorted(places)
    for category, expected in (
        ("likely", []),
        ("not_assessable", [adult, lateral]),
        ("unlikely", [unlikely]),
    ):
        page = browser.get(f"/worklist?category={category}").text
        found = {
            result.pk
            for result in (adult, child, unlikely, lateral)
            if f'id="row-{result.radiograph.study_id}"' in page
        }
        assert found == {result.pk for result in expected}


def test_next_prefers_studies_within_the_purpose(radiologist: User) -> None:
    add("likely", ADULT)
    child = add("indeterminate")
    assert reserve_next(radiologist) == child.radiograph.study


def test_a_result_outside_the_purpose_cannot_be_confirmed_or_overruled() -> None:
    result = leading_prediction(add("likely", ADULT).radiograph.study)
    assert result is not None
    decisions = {decision for decision, _ in open_choices(result.shown_category)}
    assert decisions == {Decision.UNAIDED, Decision.NOT_INTERPRETABLE}


def test_the_read_decides_on_the_frontal_view() -> None:
    lateral = add("likely", view_position="LAT")
    frontal = add("unlikely", study=lateral.radiograph.study)
    assert leading_prediction(frontal.radiograph.study) == frontal


def test_history_and_timeline_follow_the_rule(browser: Client) -> None:
    study = add("likely", ADULT).radiograph.study
    for address in (f"/patients/{study.patient_id}", f"/studies/{study.pk}"):
        page = browser.get(address).text
        assert "category-outside_purpose" in page
        assert "category-likely" not in page


@pytest.fixture
def both(make_user: Callable[..., User]) -> User:
    return make_user("uploader", "radiologist", username="both")


def test_upload_results_follow_the_rule(both: User, sign_in: Callable[[User], Client]) -> None:
    batch = services.create_batch(both, name="Night shift")
    for name, result in (
        ("adult.dcm", add("likely", ADULT)),
        ("lateral.dcm", add("likely", view_position="LAT")),
        ("child.dcm", add("likely")),
        ("unknown.dcm", add("unlikely", None)),
    ):
        UploadItem.objects.create(
            batch=batch,
            file_name=name,
            sha256=result.radiograph.original_sha256,
            size=1,
            verdict=Verdict.ACCEPTED,
            radiograph=result.radiograph,
        )
    client = sign_in(both)
    page = client.get(f"/uploads/{batch.pk}/results?sort=result").text
    names = ("child.dcm", "adult.dcm", "lateral.dcm", "unknown.dcm")
    places = [page.index(name) for name in names]
    assert places[0] < min(places[1:3])
    assert max(places[1:3]) < places[3]
    assert page.count("Pneumonia likely, 93 %") == 1
    assert "Outside its purpose" in page

    text = client.get(f"/uploads/{batch.pk}/results.csv").content.decode("utf-8-sig")
    lines = {line["file"]: line for line in csv.DictReader(io.StringIO(text))}
    found = {
        name: (line["category"], line["probability"], line["purpose"], line["doubts"])
        for name, line in lines.items()
    }
    assert found == {
        "adult.dcm": ("outside_purpose", "", "outside", "46 years old"),
        "lateral.dcm": ("not_assessable", "", "withheld", "not a frontal view"),
        "child.dcm": ("likely", "0.9300", "within", ""),
        "unknown.dcm": ("unlikely", "0.0400", "unconfirmed", "age not known"),
    }

    pdf = client.get(f"/uploads/{batch.pk}/results.pdf").content
    words = " ".join(PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())
    assert words.count("93 %") == 1
    assert "Outside its purpose: 1" in words
    assert "Pneumonia likely: 1" in words

    api = APIClient()
    api.force_authenticate(both)
    rows = {
        r["file_name"]: r for r in api.get(f"/api/v1/batches/{batch.pk}/results").json()["results"]
    }
    assert (rows["adult.dcm"]["category"], rows["adult.dcm"]["probability"]) == (
        "outside_purpose",
        None,
    )
    assert rows["adult.dcm"]["doubts"] == [
        "The patient was 46 years old; the model is intended for ages 1 to 5."
    ]


def test_the_api_follows_the_rule(radiologist: User) -> None:
    adult, child = add("likely", ADULT), add("likely")
    lateral = add("unlikely", view_position="LAT", study=child.radiograph.study)
    Prediction.objects.update(bacterial_probability=0.6)
    api = APIClient()
    api.force_authenticate(radiologist)

    def prediction(result: Prediction) -> dict[str, Any]:
        found: dict[str, Any] = api.get(f"/api/v1/predictions/{result.pk}").json()
        return found

    for result, category, purpose in (
        (adult, "outside_purpose", "outside"),
        (lateral, "not_assessable", "withheld"),
    ):
        answer = prediction(result)
        assert (answer["category"], answer["purpose"]) == (category, purpose)
        assert (answer["probability"], answer["bacterial_probability"]) == (None, None)
        assert answer["doubts"]
    assert prediction(child)["probability"] == 0.93

    def ids(address: str) -> list[str]:
        return [each["id"] for each in api.get(address).json()["results"]]

    assert ids("/api/v1/predictions?category=likely") == [str(child.pk)]
    assert ids("/api/v1/predictions?category=outside_purpose") == [str(adult.pk)]
    assert ids("/api/v1/predictions?ordering=probability")[0] == str(child.pk)
    assert api.get(f"/api/v1/predictions/{lateral.pk}/heatmap").status_code == 404

    study = api.get(f"/api/v1/studies/{child.radiograph.study_id}").json()["result"]
    assert (study["category"], study["images_withheld"]) == ("likely", 1)
    study = api.get(f"/api/v1/studies/{adult.radiograph.study_id}").json()["result"]
    assert (study["category"], study["probability"]) == ("outside_purpose", None)
    assert ids("/api/v1/studies?category=likely") == [str(child.radiograph.study_id)]


def test_a_stat_study_outside_the_purpose_is_notified_and_not_called_likely(
    radiologist: User,
) -> None:
    result = add("likely", ADULT)
    long_ago = timezone.now() - timedelta(hours=2)
    Study.objects.update(priority=Priority.STAT, created_at=long_ago)
    stat_studies.create_due()
    assert Notification.objects.get().category == ""
    patient = result.radiograph.study.patient
    patient.birth_date = CHILD
    patient.save()
    stat_studies.create_due()
    assert Notification.objects.get().category == Category.LIKELY
