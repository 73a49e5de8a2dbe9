"""What came later is never offered as an earlier study, and two of one day can be told apart."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from tests.factories import make_patient, make_radiograph, make_study
from tests.review.study.test_priors import made, open_page, viewer_data
from webportal.accounts.models import User
from webportal.records.models import Patient, Study
from webportal.review.study.priors import interval_in_day, timeline, to_compare

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient() -> Patient:
    return make_patient()


def study_of(patient: Patient, at: datetime | None) -> Study:
    return make_radiograph(make_study(patient=patient, performed_at=at)).study


def groups_of(shown: Study, reader: User) -> dict[str, list[Study]]:
    groups = to_compare(timeline(shown, reader))
    return {heading: [entry.study for entry in found] for heading, found in groups}


def test_a_later_study_is_not_among_the_earlier_ones(
    patient: Patient, browser: Client, radiologist: User
) -> None:
    oldest, old, shown, new, newest = (study_of(patient, made(2026, 5, day)) for day in range(1, 6))
    undated = study_of(patient, None)
    assert groups_of(shown, radiologist) == {
        "Prior studies": [old, oldest],
        "Studies whose order is not known": [undated],
        "Later studies": [new, newest],
    }
    page = open_page(browser, shown)
    # The viewer's key lays the first of them beside the study.
    assert viewer_data(page)["priors"][0]["id"] == str(old.pk)
    assert page.index("Prior studies") < page.index("Later studies")
    only_later = groups_of(oldest, radiologist)
    assert list(only_later) == ["Studies whose order is not known", "Later studies"]


def test_nothing_is_earlier_than_a_study_without_a_date(
    patient: Patient, radiologist: User
) -> None:
    dated, undated = study_of(patient, made(2026, 5, 1)), study_of(patient, None)
    assert groups_of(undated, radiologist) == {"Studies whose order is not known": [dated]}


def test_studies_of_one_day_are_told_apart_by_their_time(
    patient: Patient, browser: Client, radiologist: User, settings: Settings
) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    early = study_of(patient, datetime(2026, 3, 4, 0, 30, tzinfo=UTC))
    shown = study_of(patient, datetime(2026, 3, 4, 6, 15, tzinfo=UTC))
    late = study_of(patient, datetime(2026, 3, 4, 7, 0, tzinfo=UTC))
    only_day = study_of(patient, datetime(2026, 3, 3, 18, 15, tzinfo=UTC))
    before = study_of(patient, datetime(2026, 3, 1, 6, 0, tzinfo=UTC))
    assert groups_of(shown, radiologist) == {
        "Prior studies": [early, before],
        "Studies whose order is not known": [only_day],
        "Later studies": [late],
    }
    said = {entry.study: (entry.time, entry.interval) for entry in timeline(shown, radiologist)}
    assert said == {
        early: ("06:15", "6 hours earlier"),
        shown: ("12:00", ""),
        late: ("12:45", "45 minutes later"),
        only_day: ("", "the same day"),
        before: ("", "3 days earlier"),
    }
    page = open_page(browser, shown)
    assert "2026-03-04 12:00" in viewer_data(page)["images"][0]["study"]
    assert "2026-03-04 06:15 · 6 hours earlier" in page
    assert viewer_data(page)["priors"][0]["images"][0]["study"][0] == (
        "2026-03-04 06:15 · 6 hours earlier"
    )


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "the same time"),
        (-1, "1 minute earlier"),
        (59, "59 minutes later"),
        (-60, "1 hour earlier"),
        (720, "12 hours later"),
    ],
)
def test_within_a_day_intervals_are_in_hours_or_minutes(minutes: int, words: str) -> None:
    assert interval_in_day(minutes) == words
