"""The model's result on the study page, including results of several versions."""

import re
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from tests.factories import (
    THRESHOLDS,
    make_job,
    make_model_version,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from webportal.accounts.models import User
from webportal.inference.models import Job, JobState, Prediction
from webportal.inference.pauses import pause, resume
from webportal.records.choices import Category, Priority, ReadingState
from webportal.records.models import Study

pytestmark = pytest.mark.django_db

POPULATION = {"prevalence": 0.73, "youngest_years": 1, "oldest_years": 5, "views": ["AP"]}


def machine_panel(browser: Client, study: Study) -> str:
    """The text of the machine's panel, on one line."""
    page = browser.get(f"/studies/{study.pk}").text
    panel = page.split('id="machine-heading"', 1)[1].split("</section>", 1)[0]
    words = re.sub(r"\s+", " ", strip_tags(panel.replace("<", " <")))
    return re.sub(r" ([.,:])", r"\1", words)


def panel_of(browser: Client, category: str = "likely", **fields: Any) -> str:
    return machine_panel(browser, make_prediction(category=category, **fields).radiograph.study)


INDEPENDENT = {
    "source": "children of another hospital",
    "n": 400,
    "n_pneumonia": 250,
    "n_patients": 210,
    "auroc": 0.98,
    "operating_points": {
        name: {
            "threshold": threshold,
            "sensitivity": 1.0,
            "sensitivity_interval": [0.982, 1.0],
            "specificity": 0.85,
            "specificity_interval": [0.81, 0.89],
        }
        for name, threshold in (("unlikely", 0.2), ("decision", 0.5), ("likely", 0.8))
    },
}


@pytest.mark.parametrize("category", ["likely", "unlikely"])
def test_figures_of_images_that_chose_the_thresholds_are_not_shown(
    browser: Client, category: str
) -> None:
    panel = panel_of(browser, category)
    assert "Likely from 80 %." in panel
    assert "How often this version is right is not known" in panel
    assert "Figures from images that did are in its card." in panel
    # The factory's thresholds have 95 % and 85 %.
    for figure in ("95.0", "85.0", "1,000", "sensitivity", "specificity", "100.0"):
        assert figure not in panel


def test_independent_figures_come_with_interval_number_and_source(browser: Client) -> None:
    model = make_model_version("measured", independent_figures=[INDEPENDENT])
    panel = panel_of(browser, model_version=model)
    assert (
        "Of 1,000 images with pneumonia 982 to 1000 reach this point; so do 110 to 190 of 1,000"
        " without. Measured on 400 images of 210 patients that took no part in making this"
        " version (children of another hospital); the ranges are 95 % confidence intervals."
        in panel
    )
    assert "0 to 18 fall below" in panel_of(browser, "unlikely", model_version=model)


def test_a_result_shows_only_its_own_versions_figures(browser: Client) -> None:
    make_model_version("measured", independent_figures=[INDEPENDENT], is_active=True)
    assert "is not known" in panel_of(browser, model_version=make_model_version("old"))
    # Figures at another threshold are not those of this version's points.
    other = {**THRESHOLDS, "likely": {**THRESHOLDS["likely"], "threshold": 0.81}}
    moved = make_model_version("moved", independent_figures=[INDEPENDENT], thresholds=other)
    assert "is not known" in panel_of(browser, model_version=moved)


@pytest.mark.parametrize("category", [Category.LIKELY, Category.INDETERMINATE])
def test_the_pattern_is_shown_on_a_separate_line(browser: Client, category: str) -> None:
    panel = panel_of(browser, category, bacterial_probability=0.72)
    assert "Pattern, if it is pneumonia: bacterial 72 %, viral 28 %." in panel
    assert "weaker evidence" in panel


def test_no_pattern_if_pneumonia_is_unlikely_or_the_version_has_none(browser: Client) -> None:
    assert "Pattern" not in panel_of(browser, "unlikely", bacterial_probability=0.72)
    assert "Pattern" not in panel_of(browser, "likely")


def test_the_panel_says_for_whose_image_the_probability_is(browser: Client) -> None:
    assert "Assessed as" not in panel_of(browser)
    assert "Assessed as a child’s image." in panel_of(browser, assessed_as="child")
    adult = panel_of(browser, assessed_as="adult")
    assert (
        "Assessed as an adult’s image: the probability is that of a lung opacity against"
        " everything else, normal or abnormal." in adult
    )
    # It is read before the scale, which may be out of sight.
    assert adult.index("Assessed as an adult") < adult.index("Likely from")


def test_figures_of_patients_it_is_intended_for_are_not_shown_with_an_adults_image(
    browser: Client,
) -> None:
    model = make_model_version("measured", independent_figures=[INDEPENDENT])
    adult = panel_of(browser, model_version=model, assessed_as="adult")
    assert "Of 1,000 images" not in adult
    assert "How often this version is right is not known" in adult


def test_reorientation_is_reported(browser: Client) -> None:
    panel = panel_of(browser, correction="inverted+rotated_90_clockwise")
    assert "Assessed after inverting the grey values and rotating it by 90° clockwise." in panel
    assert "Assessed after" not in panel_of(browser)


def test_the_population_of_the_calibration_is_stated(browser: Client) -> None:
    model = make_model_version("made-for-children", population=POPULATION)
    panel = panel_of(browser, model_version=model)
    population = "images of patients of 1 to 5 years, view AP, 73 % of them with pneumonia"
    assert f"calibrated on {population}" in panel


def panel_for(browser: Client, born: date | None, category: str = "likely", **header: Any) -> str:
    """The panel of an image taken on 2026-06-01, by the model for children in AP view."""
    study = make_study(
        patient=make_patient(birth_date=born), performed_at="2026-06-01T12:00:00+00:00"
    )
    model = make_model_version("made-for-children", population=POPULATION)
    radiograph = make_radiograph(study, **{"view_position": "AP", **header})
    make_prediction(radiograph, category, model_version=model, bacterial_probability=0.7)
    return machine_panel(browser, study)


CHILD = date(2023, 6, 2)


@pytest.mark.parametrize(
    ("header", "born", "said"),
    [
        ({}, CHILD, ""),
        ({"view_position": "PA"}, CHILD, "This view is PA; the model is intended for AP."),
        ({"view_position": ""}, CHILD, "does not say which view this is"),
        ({"view_position": "FOO"}, CHILD, "“FOO”, which is not a known term"),
        ({}, None, "age is not known; the model is intended for ages 1 to 5 years."),
        ({}, date(2026, 7, 1), "cannot both be right"),
    ],
)
def test_unknown_header_values_are_shown_beside_the_result(
    browser: Client, header: dict[str, str], born: date | None, said: str
) -> None:
    panel = panel_for(browser, born, **header)
    assert said in panel
    assert "Pneumonia likely · 93 %" in panel
    assert ("Check this before you rely on the result" in panel) == bool(said)
    # Until it is re-evaluated after an upgrade, its former reasons stand.
    Prediction.objects.update(purpose="")
    panel = machine_panel(browser, Study.objects.get())
    assert ("Check this before you rely on the result" in panel) == bool(said)


@pytest.mark.parametrize(
    ("header", "born", "said"),
    [
        (
            {},
            date(2018, 6, 1),
            "The patient was 8 years old; the model is intended for ages 1 to 5.",
        ),
        (
            {},
            date(1981, 1, 1),
            "The patient was 45 years old; the model is intended for ages 1 to 5.",
        ),
        ({}, date(2026, 1, 1), "The patient was 5 months old"),
        ({"patient_age": "045Y"}, None, "The patient was 45 years old"),
        ({"patient_age": "045Y"}, CHILD, "45 years by the file’s Patient Age"),
    ],
)
@pytest.mark.parametrize("category", ["likely", "unlikely"])
def test_a_result_outside_the_purpose_counts_neither_way(
    browser: Client, header: dict[str, str], born: date | None, said: str, category: str
) -> None:
    panel = panel_for(browser, born, category, **header)
    assert said in panel
    assert "Outside its purpose" in panel
    assert "which is evidence neither for nor against pneumonia" in panel
    for word in ("Probability", "Likely from", "bacterial", "rule out pneumonia", "no diagnosis"):
        assert word not in panel


def test_an_adults_output_outside_the_purpose_is_described_as_calibrated(browser: Client) -> None:
    model = make_model_version("for-children", population=POPULATION)
    study = make_study(
        patient=make_patient(birth_date=date(1980, 1, 1)), performed_at=timezone.now()
    )
    make_prediction(
        make_radiograph(study), "indeterminate", model_version=model, assessed_as="adult"
    )
    panel = machine_panel(browser, study)
    assert "Its output, calibrated for adults, was “Indeterminate, 50 %”: weak evidence" in panel
    assert "evidence neither for nor against" not in panel


def test_a_childs_output_outside_the_purpose_is_no_evidence_although_it_looks_adult(
    browser: Client,
) -> None:
    today = timezone.localdate()
    study = make_study(
        patient=make_patient(birth_date=today.replace(year=today.year - 8, day=1)),
        performed_at=timezone.now(),
    )
    model = make_model_version("for-children", population=POPULATION)
    make_prediction(make_radiograph(study), "likely", model_version=model, assessed_as="adult")
    panel = machine_panel(browser, study)
    assert "Assessed as an adult’s image" in panel
    assert "evidence neither for nor against pneumonia" in panel
    assert "calibrated for adults, was" not in panel


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"view_position": "LAT"}, "not a frontal view (LAT)"),
        ({"body_part": "HAND"}, "this shows HAND"),
        ({"body_part": "LEFT LUNG"}, "shows part of the chest (LEFT LUNG)"),
    ],
)
def test_a_withheld_result_shows_no_figure_even_if_one_is_stored(
    browser: Client, header: dict[str, str], said: str
) -> None:
    panel = panel_for(browser, CHILD, **header)
    assert "Not assessable" in panel
    assert said in panel
    for word in ("93", "likely", "bacterial"):
        assert word not in panel


def test_a_result_that_is_not_assessable_says_what_to_do(browser: Client) -> None:
    panel = panel_of(browser, "not_assessable", reason_code="no_contrast", reason="It is blank.")
    assert "It is blank." in panel
    assert "upload it" in panel
    assert "sensitivity" not in panel


def test_an_older_result_can_be_rerun_with_the_active_version(browser: Client) -> None:
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


def test_no_analysis_of_a_prior_is_offered(browser: Client) -> None:
    study = make_study(reading_state=ReadingState.PRIOR)
    make_prediction(make_radiograph(study))
    make_radiograph(study)
    panel = machine_panel(browser, study)
    assert "Run again" not in panel
    assert "are not analysed" in browser.get(f"/studies/{study.pk}").text


def test_results_of_the_active_version_are_not_run_again_with_the_study(browser: Client) -> None:
    study = make_study()
    make_prediction(make_radiograph(study), model_version=make_model_version("old"))
    new = make_model_version("new", is_active=True)
    current = make_prediction(make_radiograph(study), model_version=new)
    browser.post(f"/studies/{study.pk}/rerun")
    assert not Job.objects.filter(radiograph=current.radiograph, state=JobState.QUEUED).exists()
    assert Job.objects.filter(state=JobState.QUEUED).count() == 1


def test_results_of_several_versions_are_shown_side_by_side(browser: Client) -> None:
    radiograph = make_radiograph()
    make_prediction(radiograph, "indeterminate", model_version=make_model_version("old"))
    make_prediction(radiograph, "likely", model_version=make_model_version("new"))
    panel = machine_panel(browser, radiograph.study)
    assert "1 earlier result" in panel
    both = panel.split("1 earlier result", 1)[1]
    assert re.search("new Pneumonia likely · 93 % .* old Indeterminate · 50 %", both)
    assert Prediction.objects.filter(is_current=True).count() == 1


def test_a_job_without_a_result_has_no_opinion(browser: Client) -> None:
    assert "Queued" in machine_panel(browser, make_job().radiograph.study)


def test_a_reader_is_told_that_the_analysis_is_paused(browser: Client, radiologist: User) -> None:
    study = make_job().radiograph.study
    words = "Hospital IT has paused the analysis of such images for now."
    pause(Priority.STAT, radiologist)
    assert words not in machine_panel(browser, study)
    pause(Priority.ROUTINE, radiologist)
    assert words in machine_panel(browser, study)
    assert words in browser.get("/worklist").text
    resume(Priority.ROUTINE, radiologist)
    assert words not in machine_panel(browser, study)
