"""The essentials of a study are visible at any screen size and in any language."""

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import NO_WEBGL, await_image, context_of
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.records.models import Study

pytestmark = pytest.mark.django_db(transaction=True)
LANGUAGES = ["en", "ne"]


@pytest.fixture
def study() -> Study:
    """A study of an adult, for whom the model was not made, with a reason of some length."""
    patient = make_patient(name="Phantom^Maya", birth_date=date(1950, 5, 1), sex="F")
    study = make_study(
        patient=patient,
        performed_at=timezone.now(),
        priority=0,
        accession_number="ACC-1",
        indication="Fever for four days, crackles over the right base. Pneumonia?",
        symptoms=["fever", "cough"],
    )
    make_prediction(make_radiograph(study, (500, 420)), "likely")
    return study


@pytest.fixture(params=LANGUAGES)
def page(
    request: pytest.FixtureRequest,
    study: Study,
    live_server: LiveServer,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    with context_of(sign_in(radiologist), live_server, *NO_WEBGL) as context:
        cookie = {"name": "django_language", "value": request.param, "url": live_server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        yield context.new_page()


def open_at(page: Page, study: Study, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/studies/{study.pk}")
    await_image(page)


def assert_on_screen(page: Page, selector: str) -> None:
    for box in page.locator(selector).all():
        place = box.bounding_box()
        assert place is not None, selector
        assert place["y"] >= 0, selector
        assert place["y"] + place["height"] <= page.viewport_size["height"], (selector, place)  # type: ignore[index]


def assert_free(page: Page, selector: str) -> None:
    """Nothing lies over the middle of the elements."""
    for each in page.locator(selector).all():
        assert each.evaluate(
            """element => {
                const box = element.getBoundingClientRect();
                const top = document.elementFromPoint(
                    box.left + box.width / 2, box.top + box.height / 2);
                return element === top || element.contains(top);
            }"""
        ), selector


def test_the_choices_and_the_signature_need_no_scrolling(page: Page, study: Study) -> None:
    open_at(page, study, 1280, 800)
    for selector in ("[name=choice] + label", ".signature button", "input[name=password]"):
        assert_on_screen(page, selector)
        assert_free(page, selector)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080), (2560, 1440)])
def test_the_viewer_ends_inside_the_screen(
    page: Page, study: Study, width: int, height: int
) -> None:
    open_at(page, study, width, height)
    box = page.locator(".viewer").bounding_box()
    assert box is not None
    assert height - 40 <= box["y"] + box["height"] <= height


def test_notices_are_as_wide_as_the_page_on_a_tablet(page: Page, study: Study) -> None:
    make_prediction(study.radiographs.get(), "unlikely")
    page.set_viewport_size({"width": 820, "height": 1180})
    page.goto(f"/studies/{study.pk}?")
    await_image(page)
    make_prediction(study.radiographs.get(), "likely")
    notice = page.locator(".study-news .alert")
    notice.wait_for()
    box = notice.bounding_box()
    assert box is not None
    assert box["width"] > 400
