"""What the study page says of the model's result, and of results of several versions."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.utils.html import strip_tags

from tests.factories import (
    make_job,
    make_model_version,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from webportal.accounts.models import User
from webportal.inference.models import Job, JobState, Prediction
from webportal.records.models import Category, Study

pytestmark = pytest.mark.django_db

POPULATION = {"prevalence": 0.73, "youngest_years": 1, "oldest_years": 5, "views": ["AP"]}


@pytest.fixture
def browser(radiologist: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(radiologist)


def machine_panel(browser: Client, study: Study) -> str:
    """The text of the machine's panel, on one line."""
    page = browser.get(f"/studies/{study.pk}").text
    panel = page.split('id="machine-heading"', 1)[1].split("</section>", 1)[0]
    words = re.sub(r"\s+", " ", strip_tags(panel.replace("<", " <")))
    return re.sub(r" ([.,:])", r"\1", words)


def panel_of(browser: Client, category: str = "likely", **fields: Any) -> str:
    return machine_panel(browser, make_prediction(category=category, **fields).radiograph.study)


def test_operating_points_in_words_with_their_intervals(browser: Client) -> None:
    panel = panel_of(browser)
    point = "Likely from 80 %: sensitivity 95.0 % (93.0–97.0), specificity 85.0 % (81.0–89.0)."
    assert point in panel
    assert "Of 1,000 images with pneumonia about 950 reach this point" in panel
    assert "so do about 150 of 1,000 without" in panel
    assert "about 50 fall below this point" in panel_of(browser, "unlikely")


def test_a_version_without_intervals_shows_its_points_without(browser: Client) -> None:
    point = {"threshold": 0.5, "criterion": "", "sensitivity": 0.95, "specificity": 0.85}
    model = make_model_version("old", thresholds=dict.fromkeys(("unlikely", "likely"), point))
    panel = panel_of(browser, model_version=model)
    assert "Likely from 50 %: sensitivity 95.0 %, specificity 85.0 %." in panel


@pytest.mark.parametrize("category", [Category.LIKELY, Category.INDETERMINATE])
def test_the_pattern_is_a_line_of_its_own(browser: Client, category: str) -> None:
    panel = panel_of(browser, category, bacterial_probability=0.72)
    assert "Pattern, if it is pneumonia: bacterial 72 %, viral 28 %." in panel
    assert "weaker evidence" in panel


def test_no_pattern_where_pneumonia_is_unlikely_or_the_version_has_none(browser: Client) -> None:
    assert "Pattern" not in panel_of(browser, "unlikely", bacterial_probability=0.72)
    assert "Pattern" not in panel_of(browser, "likely")


def test_what_was_put_right_is_said(browser: Client) -> None:
    panel = panel_of(browser, correction="inverted+rotated_90_clockwise")
    assert "Assessed after inverting the grey values and turning it by 90° clockwise." in panel
    assert "Assessed after" not in panel_of(browser)


def test_on_whom_the_figure_was_calibrated(browser: Client) -> None:
    model = make_model_version("made-for-children", population=POPULATION)
    panel = panel_of(browser, model_version=model)
    population = "images of patients of 1 to 5 years, view AP, 73 % of them with pneumonia"
    assert f"calibrated on {population}" in panel


@pytest.mark.parametrize(
    ("view", "born", "said"),
    [
        ("AP", date(2023, 6, 2), ""),
        ("", None, ""),
        ("PA", date(2023, 6, 2), "This view is PA; the model was made for AP."),
        ("AP", date(2018, 6, 1), "The patient was 8 years old; the model was made for 1 to 5."),
        ("AP", date(2026, 1, 1), "The patient was 0 years old"),
    ],
)
def test_an_image_that_the_model_was_not_made_for(
    browser: Client, view: str, born: date | None, said: str
) -> None:
    study = make_study(
        patient=make_patient(birth_date=born), performed_at="2026-06-01T12:00:00+00:00"
    )
    model = make_model_version("made-for-children", population=POPULATION)
    make_prediction(make_radiograph(study, view_position=view), model_version=model)
    panel = machine_panel(browser, study)
    assert said in panel
    assert ("never tested there" in panel) == bool(said)


def test_what_to_do_when_it_is_not_assessable(browser: Client) -> None:
    panel = panel_of(browser, "not_assessable", reason_code="no_contrast", reason="It is blank.")
    assert "It is blank." in panel
    assert "upload it" in panel
    assert "sensitivity" not in panel


def test_an_older_result_can_be_made_anew_by_the_active_version(browser: Client) -> None:
    study = make_study()
    for _ in range(2):
        make_prediction(make_radiograph(study), model_version=make_model_version("old"))
    assert "the active one is" not in machine_panel(browser, study)
    make_model_version("new", is_active=True)
    panel = machine_panel(browser, study)
    assert "This result is of version old; the active one is new." in panel
    assert "Run again with the active model" in panel

    browser.post(f"/studies/{study.pk}/rerun")
    waiting = Job.objects.filter(state=JobState.QUEUED)
    assert waiting.count() == 2
    assert "Run again" not in machine_panel(browser, study)
    answer = browser.post(f"/studies/{study.pk}/rerun", follow=True)
    assert "Nothing to run again" in answer.text
    assert waiting.count() == 2


def test_results_of_the_active_version_are_not_run_again_with_the_study(browser: Client) -> None:
    study = make_study()
    make_prediction(make_radiograph(study), model_version=make_model_version("old"))
    new = make_model_version("new", is_active=True)
    current = make_prediction(make_radiograph(study), model_version=new)
    browser.post(f"/studies/{study.pk}/rerun")
    assert not Job.objects.filter(radiograph=current.radiograph, state=JobState.QUEUED).exists()
    assert Job.objects.filter(state=JobState.QUEUED).count() == 1


def test_results_of_several_versions_stand_side_by_side(browser: Client) -> None:
    radiograph = make_radiograph()
    make_prediction(radiograph, "indeterminate", model_version=make_model_version("old"))
    make_prediction(radiograph, "likely", model_version=make_model_version("new"))
    panel = machine_panel(browser, radiograph.study)
    assert "1 earlier result" in panel
    both = panel.split("1 earlier result", 1)[1]
    assert re.search("new Pneumonia likely · 93 % .* old Indeterminate · 50 %", both)
    assert Prediction.objects.filter(is_current=True).count() == 1


def test_a_job_without_a_result_has_no_opinion(browser: Client) -> None:
    assert "In the queue" in machine_panel(browser, make_job().radiograph.study)
