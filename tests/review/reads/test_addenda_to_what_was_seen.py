"""An addendum is to the read that its author had before them, or is refused."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.reading import add_addendum, entry, identity_field, look_at, read, refusal, sign
from webportal.accounts.models import Role, User
from webportal.inference.models import Prediction
from webportal.review.models import Addendum, Read

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, username="other")


def amend(first: Read, seen: Prediction, finding: str) -> Read:
    entered = entry(seen, finding, amends=first.pk, reason="Misread")
    return sign(first.study, first.reader, entered, PASSWORD)


def test_an_addendum_to_a_read_that_was_amended_meanwhile_is_refused(
    prediction: Prediction, radiologist: User, other: User
) -> None:
    first = read(prediction, radiologist, "none")
    amended = amend(first, prediction, "definite")
    said = ("Agreed", "No pneumonia.", PASSWORD)
    assert refusal(lambda: add_addendum(first, other, *said)) == "reading_changed"
    assert not Addendum.objects.exists()
    assert add_addendum(amended, other, *said).read == amended


def test_an_addendum_to_a_signature_taken_back_meanwhile_is_refused(
    prediction: Prediction, radiologist: User, other: User
) -> None:
    first = read(prediction, radiologist, "none")
    seen = Read.objects.get(pk=first.pk)
    Read.objects.filter(pk=first.pk).update(state="taken_back")
    said = ("Agreed", "No pneumonia.", PASSWORD)
    assert refusal(lambda: add_addendum(seen, other, *said)) == "reading_changed"


def test_an_addendum_to_a_first_read_that_counts_no_more_is_refused(
    prediction: Prediction, radiologist: User, other: User, settings: Settings
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    first = read(prediction, radiologist, "none")
    assert add_addendum(first, radiologist, "Early", "Something.", PASSWORD).read == first
    read(prediction, other, "none")
    said = ("Late", "More.", PASSWORD)
    assert refusal(lambda: add_addendum(first, radiologist, *said)) == "reading_changed"


def test_the_page_says_which_read_it_showed(
    prediction: Prediction, radiologist: User, other: User, sign_in: Callable[[User], Client]
) -> None:
    first = read(prediction, radiologist, "none")
    study = first.study
    browser = sign_in(other)
    page = browser.get(reverse("review:study", args=[study.pk])).text
    assert f'name="read" value="{first.pk}"' in page
    amended = amend(first, prediction, "definite")
    look_at(study, other)
    values = {
        "read": str(first.pk), "reason": "Agreed", "text": "No pneumonia.",
        "addendum_password": PASSWORD, "images": "1", **identity_field(study),
    }  # fmt: skip
    address = reverse("review:addendum", args=[study.pk])
    answer = browser.post(address, values)
    assert answer.status_code == 422
    assert "The read that you were shown no longer counts" in answer.text
    assert "No pneumonia.</textarea>" in answer.text
    # It can be signed once its author has seen the read that counts.
    assert f'name="read" value="{amended.pk}"' in answer.text
    assert browser.post(address, values | {"read": str(amended.pk)}).status_code == 302
    assert amended.addenda.get().author == other
