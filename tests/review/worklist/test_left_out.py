"""The worklist says how many unread stat studies its filters leave out."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories import make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.records.choices import Priority, ReadingState
from webportal.records.models import Study
from webportal.review.models import ReadingPreference, SavedView, SecondReading, WorklistPreference

pytestmark = pytest.mark.django_db
YESTERDAY = timezone.localdate() - timedelta(days=1)


@pytest.fixture
def browser(client: Client, radiologist: User) -> Client:
    client.force_login(radiologist)
    return client


@pytest.fixture
def stat() -> Study:
    study = make_study(priority=Priority.STAT)
    make_prediction(make_radiograph(study), "unlikely")
    return study


def left_out(browser: Client, address: str) -> int:
    answer = browser.get(address, follow=True)
    number: int = answer.context["stat_left_out"]
    words = f"The filters hide {number} unread stat stud"
    assert (words in answer.text) == bool(number)
    assert (words in browser.get(address, follow=True, HTTP_HX_REQUEST="true").text) == bool(number)
    return number


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("state=unread", 0),
        ("state=unread&order=name", 0),
        ("priority=0", 0),
        ("category=unlikely", 0),
        ("category=likely", 1),
        ("priority=1", 1),
        ("assigned=me", 1),
        ("assigned=none", 0),
        ("queue=running", 1),
        (f"until={YESTERDAY}", 1),
        (f"since={YESTERDAY}", 0),
        ("state=signed&category=likely", 0),
    ],
)
def test_filters_say_what_they_leave_out(
    query: str, number: int, stat: Study, browser: Client
) -> None:
    make_study(priority=Priority.ROUTINE)
    make_study(priority=Priority.STAT, reading_state=ReadingState.SIGNED)
    assert left_out(browser, f"/worklist?{query}") == number


def test_a_view_that_opens_with_the_worklist_says_so_too(
    stat: Study, browser: Client, radiologist: User
) -> None:
    view = SavedView.objects.create(
        owner=radiologist, name="Last week", filters={"until": str(YESTERDAY)}
    )
    WorklistPreference.objects.create(user=radiologist, default_view=view)
    page = browser.get("/worklist", follow=True)
    assert page.context["stat_left_out"] == 1
    assert not page.context["page"].studies
    everything = browser.get(page.context["all_stat"])
    assert [each.pk for each in everything.context["page"].studies] == [stat.pk]


def test_readers_who_read_first_learn_that_a_filter_by_result_matches_nothing(
    stat: Study, browser: Client, radiologist: User
) -> None:
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    make_prediction(make_radiograph(make_study(priority=Priority.STAT)), "likely")
    assert left_out(browser, "/worklist?category=likely") == 2
    assert left_out(browser, "/worklist?category=unlikely") == 2


def test_what_is_read_blind_is_not_counted(
    stat: Study, browser: Client, settings: Settings
) -> None:
    settings.SECOND_READING = settings.SECOND_READING_BLIND_TO_AI = True
    SecondReading.objects.create(study=stat, reason="drawn")
    assert left_out(browser, "/worklist?category=likely") == 0
