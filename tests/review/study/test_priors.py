"""The patient's studies in order, the viewer's data on them, and readers who read first."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.reading import sign
from webportal.accounts.models import Department, Role, User
from webportal.records.models import Study
from webportal.review.models import ReadKind, SecondReading, SecondReadingReason
from webportal.review.reads.services import Entry
from webportal.review.study.priors import interval, timeline

pytestmark = pytest.mark.django_db


def made(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def open_page(browser: Client, study: Study) -> str:
    return browser.get(reverse("review:study", args=[study.pk])).content.decode()


def viewer_data(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="viewer-data" type="application/json">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "the same day"),
        (-1, "1 day earlier"),
        (-59, "59 days earlier"),
        (-210, "7 months earlier"),
        (-1100, "3 years earlier"),
        (9, "9 days later"),
    ],
)
def test_intervals_are_in_a_natural_unit(days: int, words: str) -> None:
    assert interval(days) == words


def test_the_newest_study_comes_first_and_other_patients_are_excluded(radiologist: User) -> None:
    patient = make_patient()
    shown = make_study(patient=patient, performed_at=made(2026, 5, 1))
    older = make_study(patient=patient, performed_at=made(2024, 1, 1))
    newer = make_study(patient=patient, performed_at=made(2026, 5, 9))
    make_study()
    entries = timeline(shown, radiologist)
    assert [entry.study for entry in entries] == [newer, shown, older]
    assert [entry.is_shown for entry in entries] == [False, True, False]
    assert entries[0].interval == "8 days later"


def test_only_studies_with_an_image_can_be_compared(browser: Client) -> None:
    patient = make_patient()
    shown = make_radiograph(make_study(patient=patient, performed_at=made(2026, 5, 1))).study
    prior = make_radiograph(make_study(patient=patient, performed_at=made(2025, 5, 1)))
    empty = make_study(patient=patient, performed_at=made(2025, 1, 1))
    page = open_page(browser, shown)
    assert [each["id"] for each in viewer_data(page)["priors"]] == [str(prior.study_id)]
    assert f'data-compare="{prior.study_id}"' in page
    assert f'data-compare="{empty.pk}"' not in page
    assert f'<option value="{prior.pk}">2025-05-01 · 12 months earlier' in page


def test_the_timeline_shows_scores_and_signed_findings(browser: Client, radiologist: User) -> None:
    patient = make_patient()
    earlier = make_prediction(make_radiograph(make_study(patient=patient)), "unlikely")
    entry = Entry(earlier.pk, "overrule", "possible")
    sign(earlier.radiograph.study, radiologist, entry, PASSWORD)
    shown = make_prediction(make_radiograph(make_study(patient=patient)), "likely")
    listed = open_page(browser, shown.radiograph.study).split('<ol class="timeline">')[1]
    assert "Pneumonia unlikely · 4 %" in listed
    assert "Possible pneumonia" in listed
    assert "Pneumonia likely · 93 %" in listed


def test_a_second_reader_sees_neither_read_nor_result_of_a_study_they_may_read(
    browser: Client, make_user: Callable[..., User], settings: Settings
) -> None:
    settings.SECOND_READING_BLIND_TO_AI = True
    patient = make_patient()
    earlier = make_prediction(make_radiograph(make_study(patient=patient)), "unlikely")
    other = make_user(Role.RADIOLOGIST, username="other")
    sign(earlier.radiograph.study, other, Entry(earlier.pk, "overrule", "possible"), PASSWORD)
    SecondReading.objects.update_or_create(
        study=earlier.radiograph.study,
        defaults={"reason": SecondReadingReason.DRAWN, "due": ReadKind.SECOND},
    )
    shown = make_radiograph(make_study(patient=patient)).study
    listed = open_page(browser, shown).split('<ol class="timeline">')[1].split("</ol>")[0]
    assert "Possible pneumonia" not in listed
    assert "4 %" not in listed
    assert "result hidden until your read" in listed
    own_page = open_page(browser, earlier.radiograph.study)
    assert viewer_data(own_page)["images"][0]["heatmap"] == ""
    heatmap = reverse("review:heatmap", args=[earlier.pk])
    assert browser.get(heatmap).status_code == 404


def test_those_who_read_first_open_results_themselves(browser: Client, radiologist: User) -> None:
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    address = reverse("review:study", args=[study.pk])
    at_once = open_page(browser, study)
    assert "data-machine-result" not in at_once
    assert "confirms the model" in at_once
    chosen = {"reads_first": "on", "next": address}
    assert browser.post(reverse("review:reads-first"), chosen)["Location"] == address
    page = open_page(browser, study)
    assert '<details class="machine-waits" data-machine-result>' in page
    assert "machine-is-hidden" in page
    # The form would give the result away by what each finding means for it.
    assert "confirms the model" not in page
    assert "overrules the model" not in page
    sign(study, radiologist, Entry(prediction.pk, "confirm", "definite"), PASSWORD)
    assert "data-machine-result" not in open_page(browser, study)
    browser.post(reverse("review:reads-first"), {"next": address})
    assert "Read first from now on" in open_page(browser, study)


def test_an_arbiter_who_reads_first_sees_two_reads_and_no_result_in_them(
    browser: Client, make_user: Callable[..., User], settings: Settings
) -> None:
    settings.SECOND_READING = True
    settings.SECOND_READING_SHARE = 1.0
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    for name, decision, finding in (("one", "confirm", "definite"), ("two", "overrule", "none")):
        earlier = make_user(Role.RADIOLOGIST, username=name)
        sign(study, earlier, Entry(prediction.pk, decision, finding), PASSWORD)
    assert "Overrules the model" in open_page(browser, study)
    browser.post(reverse("review:reads-first"), {"reads_first": "on"})
    page = open_page(browser, study)
    assert "Two readers disagree" in page
    assert "Definite pneumonia" in page
    assert "Overrules the model" not in page
    assert "Confirms the model" not in page


def test_the_choice_never_redirects_away_from_the_portal(browser: Client) -> None:
    elsewhere = {"next": "https://elsewhere.example/"}
    answer = browser.post(reverse("review:reads-first"), elsewhere)
    assert answer["Location"] == reverse("review:worklist")


def test_a_list_of_own_departments_says_so(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    study = make_radiograph().study
    browser, words = sign_in(radiologist), "Only studies of your departments are listed"
    pages = [reverse("review:study", args=[study.pk]), f"/patients/{study.patient_id}"]
    for page in pages:
        assert words not in browser.get(page).content.decode()
    assert "first study here" in browser.get(pages[0]).content.decode()
    elsewhere = Department.objects.create(name="Elsewhere")
    for page in pages:
        shown = browser.get(page).content.decode()
        assert words in shown
        assert 'href="/emergency"' in shown
        assert "first study here" not in shown
    radiologist.departments.add(elsewhere)
    for page in pages:
        assert words not in browser.get(page).content.decode()
