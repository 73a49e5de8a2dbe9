"""Who reads first finds no result on the worklist before they have signed or opened them there.

The same pages are asked for twice, with other results of the unread studies, and have to be the
same to the letter.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.factories import (
    PROBABILITIES,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.records.choices import Category, Concern
from webportal.records.models import Study
from webportal.review.models import Read
from webportal.review.preferences import ReadingPreference
from webportal.review.worklist.order import ORDERS

pytestmark = pytest.mark.django_db

LIKELY = "Pneumonia likely"


@pytest.fixture
def reader(radiologist: User) -> User:
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    return radiologist


@pytest.fixture
def browser(reader: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(reader)


@pytest.fixture
def unread() -> list[Study]:
    return [study_with(result) for result in PROBABILITIES]


def study_with(result: str, state: str = "unread") -> Study:
    study = make_study(patient=make_patient())
    make_prediction(make_radiograph(study), result)
    hours = 5 * Study.objects.count()
    received = timezone.now() - timedelta(days=2, hours=hours)
    Study.objects.filter(pk=study.pk).update(created_at=received, reading_state=state)
    return study


def give_other_results(studies: list[Study]) -> None:
    results = list(PROBABILITIES)
    for study in studies:
        study.refresh_from_db()
        other = results[(results.index(Category(study.category)) + 1) % len(results)]
        refused = other == Category.NOT_ASSESSABLE
        probability = None if refused else 0.5
        Prediction.objects.filter(radiograph__study=study).update(
            category=other,
            probability=probability,
            reason="Not frontal." if refused else "",
            reason_code="x" if refused else "",
        )
        Study.objects.filter(pk=study.pk).update(
            category=other, probability=probability, concern=Concern[other.name]
        )


def page(browser: Client, query: str = "") -> str:
    text = browser.get(f"{reverse('review:worklist')}?{query}").content.decode()
    return re.sub(r'csrfmiddlewaretoken" value="\w+"|CSRFToken": "\w+"', "", text)


def test_no_list_of_what_is_unread_tells_a_result(browser: Client, unread: list[Study]) -> None:
    filters = ["", "category=likely", "category=none", "queue=queued", "priority=2"]
    queries = [f"state={state}&{each}" for state, each in product(["unread", "all"], filters)]
    queries += [f"state={state}&order={order}" for state, order in product(["", "all"], ORDERS)]
    before = [page(browser, query) for query in queries]
    assert "Hidden until you have read it" in before[0]
    assert 'name="category"' not in before[0]
    assert all(LIKELY not in each for each in before)
    give_other_results(unread)
    for query, text in zip(queries, before, strict=True):
        assert page(browser, query) == text, query


def test_the_most_urgent_come_first_whatever_the_result(
    browser: Client, unread: list[Study]
) -> None:
    Study.objects.filter(pk=unread[0].pk).update(priority=0)
    shown = re.findall(r'id="row-([\w-]+)"', page(browser))
    by_waiting = sorted(Study.objects.exclude(pk=unread[0].pk), key=lambda each: each.created_at)
    assert shown == [str(study.pk) for study in [unread[0], *by_waiting]]


def test_results_are_shown_once_they_are_opened_and_closed_again(
    browser: Client, unread: list[Study]
) -> None:
    address = reverse("review:worklist")
    answer = browser.post(reverse("review:open-results"), {"open": "on", "next": address})
    assert answer["Location"] == address
    text = page(browser)
    assert LIKELY in text
    assert "Close the results" in text
    assert LIKELY in page(browser, "category=likely")
    browser.post(reverse("review:open-results"), {"next": address})
    assert LIKELY not in page(browser)


def test_what_is_signed_shows_its_result(browser: Client, reader: User) -> None:
    signed = study_with("likely", state="signed")
    text = page(browser, "state=signed")
    assert str(signed.pk) in text
    assert LIKELY in text
    assert "Open the results" not in text


def test_one_s_own_read_opens_the_result_of_a_study_that_waits_for_another(
    browser: Client, reader: User
) -> None:
    study = study_with("likely")
    Read.objects.create(
        study=study,
        reader=reader,
        state="signed",
        decision="unaided",
        pneumonia="none",
        signed_at=timezone.now(),
    )
    assert LIKELY in page(browser)


def test_who_does_not_read_first_sees_results_as_ever(
    radiologist: User, sign_in: Callable[[User], Client], unread: list[Study]
) -> None:
    text = page(sign_in(radiologist))
    assert LIKELY in text
    assert "Open the results" not in text
