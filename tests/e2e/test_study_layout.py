"""The essentials of a study are visible at any screen size and in any language."""

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import NO_WEBGL, await_image, context_of, page_kept
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
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
        yield page_kept(context)


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


def test_findings_and_their_place_need_no_scrolling_on_a_large_screen(
    page: Page, study: Study
) -> None:
    open_at(page, study, 1920, 1080)
    for selector in ("[name=other_findings] + label", "[name=zones] + label"):
        assert page.locator(selector).count() > 4
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


@pytest.fixture
def page_with_every_role(
    study: Study,
    live_server: LiveServer,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    """Of the first administrator, say: nobody has a longer navigation."""
    with context_of(sign_in(make_user(*Role, username="admin")), live_server, *NO_WEBGL) as context:
        yield page_kept(context)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1440, 900), (1920, 1080)])
def test_the_image_is_whole_under_bars_of_any_height(
    page_with_every_role: Page, study: Study, width: int, height: int
) -> None:
    page = page_with_every_role
    open_at(page, study, width, height)
    header = page.locator("body > header")
    assert header.evaluate("header => header.offsetHeight") < 60, "more than one row"
    assert_on_screen(page, "[data-pane=current] .pane-picture")
    # As an emergency access, a notice or a wordier language would.
    header.evaluate("header => header.style.setProperty('padding-bottom', '100px', 'important')")
    assert_on_screen(page, "[data-pane=current] .pane-picture")
    assert_on_screen(page, ".signature button")
    assert page.evaluate("document.documentElement.scrollHeight") == height


def test_only_the_panels_scroll_and_the_signature_stays(
    page_with_every_role: Page, study: Study
) -> None:
    page = page_with_every_role
    open_at(page, study, 1280, 800)
    places = []
    for field in ("#choice-1", "form[data-read] textarea"):
        page.locator(field).focus()
        places.append([page.locator(".viewer").bounding_box()])
        places[-1] += [button.bounding_box() for button in page.locator(".signature button").all()]
    assert page.locator(".study-panels").evaluate("part => part.scrollTop") > 0
    assert places[0] == places[1]


def test_on_a_phone_the_image_is_as_wide_as_the_window_and_no_tool_is_cut_off(
    page: Page, study: Study
) -> None:
    open_at(page, study, 390, 844)
    box = page.locator("[data-pane=current] .pane-picture").bounding_box()
    assert box is not None
    assert box["height"] > 300
    for button in page.locator(".viewer-toolbar .viewer-button:visible").all():
        place = button.bounding_box()
        assert place is not None
        assert place["x"] + place["width"] <= 390
