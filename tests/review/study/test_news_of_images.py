"""An open study page is told of images and studies that come in while it is read."""

import re
from html import unescape

import pytest
from django.test import Client

from tests.factories import make_radiograph, make_study
from webportal.records.models import Study

pytestmark = pytest.mark.django_db
IMAGE = "Another image has been added to this study"
STUDY = "Another study of this patient has arrived"


@pytest.fixture
def study() -> Study:
    return make_radiograph().study


def status_of(browser: Client, study: Study) -> str:
    """The address that a page opened now asks for news."""
    page = browser.get(f"/studies/{study.pk}").text
    found = re.search(r'hx-post="(/studies/[^"]+/status\?[^"]+)"', page)
    assert found is not None
    return unescape(found[1])


def test_an_image_that_joins_the_study_is_told(study: Study, browser: Client) -> None:
    address = status_of(browser, study)
    assert IMAGE not in browser.post(address).text
    make_radiograph(study)
    assert IMAGE in browser.post(address).text
    assert IMAGE not in browser.post(status_of(browser, study)).text


def test_a_study_to_compare_with_that_comes_in_is_told(study: Study, browser: Client) -> None:
    address = status_of(browser, study)
    make_radiograph()
    assert STUDY not in browser.post(address).text
    make_radiograph(make_study(patient=study.patient))
    told = browser.post(address).text
    assert STUDY in told
    assert IMAGE not in told
    assert STUDY not in browser.post(status_of(browser, study)).text


@pytest.mark.parametrize("given", ["", "images=&studies=", "images=x&studies=-1"])
def test_a_page_that_does_not_say_what_it_shows_is_told_nothing(
    given: str, study: Study, browser: Client
) -> None:
    make_radiograph(study)
    told = browser.post(f"/studies/{study.pk}/status?{given}").text
    assert IMAGE not in told
    assert STUDY not in told
