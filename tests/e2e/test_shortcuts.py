"""Keyboard shortcuts switched off (WCAG 2.1.4): no single character acts, and none is needed."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, TWO_FRAMES, await_image, page_of
from tests.factories import make_prediction
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.review.models import Read, ReadingPreference
from webportal.review.study.viewer_tools import ACTIONS

CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789?/+-=! "


@pytest.fixture
def prediction(transactional_db: None) -> Prediction:
    return make_prediction(category="unlikely")


@pytest.fixture
def page(
    prediction: Prediction,
    live_server: LiveServer,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    size = {"width": 1280, "height": 800}
    with page_of(sign_in(radiologist), live_server, *NO_WEBGL, viewport=size) as page:
        yield page


@pytest.fixture
def without_shortcuts(radiologist: User) -> None:
    ReadingPreference.objects.create(reader=radiologist, has_shortcuts=False)


def open_study(page: Page, prediction: Prediction) -> None:
    page.goto(f"/studies/{prediction.radiograph.study_id}")
    await_image(page)


def what_keys_change(page: Page) -> list[object]:
    """All that a key of the viewer, the form or the worklist could have changed."""
    return [
        page.url,
        page.evaluate("document.activeElement.outerHTML.slice(0, 80)"),
        page.locator("dialog[open], details[open], .is-asked, .is-selected").count(),
        page.locator("input:checked").count(),
        page.locator(".pane-state, .pane-side").all_inner_texts(),
        page.locator(".viewer-stage").evaluate_all("all => all.map(each => each.dataset.tool)"),
        page.locator(".viewer-button.active").count(),
    ]


@pytest.mark.usefixtures("without_shortcuts")
@pytest.mark.parametrize("place", ["study", "worklist"])
def test_no_character_does_anything(page: Page, prediction: Prediction, place: str) -> None:
    if place == "study":
        open_study(page, prediction)
    else:
        page.goto("/worklist")
        page.keyboard.press("ArrowDown")
        expect(page.locator(".worklist-row a").first).to_be_focused()
    before = what_keys_change(page)
    for character in CHARACTERS:
        page.keyboard.press(character)
    for digit in "123456":
        page.keyboard.press(f"Shift+Digit{digit}")
    # What a key had asked the portal for is answered before this.
    page.evaluate("() => fetch(location.href).then((answer) => answer.text())")
    page.evaluate(TWO_FRAMES)
    assert what_keys_change(page) == before
    expect(page.locator("form[data-read] kbd:not(.btn kbd)")).to_have_count(0)
    expect(page.locator("[aria-keyshortcuts]")).to_have_count(0)


@pytest.mark.usefixtures("without_shortcuts")
def test_everything_can_be_reached_with_tab_and_enter(page: Page, prediction: Prediction) -> None:
    open_study(page, prediction)
    # What has a key has a button too, or a key that is not a character. Some need another picture;
    # the texts lie beside the picture and cover nothing.
    without_button = ("heatmap", "compare", "link", "two-up", "texts")
    for action in ACTIONS:
        if action.is_character and action.name not in without_button:
            assert page.locator(f"[data-action={action.name}]").count(), action.name
    page.get_by_label("No pneumonia").focus()
    page.keyboard.press("Space")
    expect(page.get_by_label("No pneumonia")).to_be_checked()
    page.locator("input[name=password]").focus()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("nothing left for you to read")).to_be_visible()
    assert Read.objects.get(state="signed").pneumonia == "none"


def test_they_are_switched_off_in_the_shortcut_list_and_on_in_the_user_menu(
    page: Page, prediction: Prediction, radiologist: User
) -> None:
    open_study(page, prediction)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys of the viewer")
    expect(dialog.get_by_text("Flip left and right")).to_be_visible()
    dialog.get_by_role("button", name="switch off").click()
    expect(page.get_by_text("Keyboard shortcuts are off")).to_be_visible()
    assert str(prediction.radiograph.study_id) in page.url
    assert ReadingPreference.objects.get(reader=radiologist).has_shortcuts is False

    page.get_by_role("button", name="All keys").click()
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("Next image of the study")).to_be_visible()
    expect(dialog.get_by_text("Flip left and right")).to_have_count(0)
    page.keyboard.press("Escape")
    page.goto("/worklist?category=unlikely")
    page.get_by_role("button", name="Keyboard shortcuts", exact=True).click()
    overlay = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(overlay.get_by_role("button", name="switch on")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name=str(radiologist)).click()
    page.locator(".dropdown-menu.show").get_by_role("button", name="switch on").click()
    expect(page.get_by_text("Keyboard shortcuts are on")).to_be_visible()
    assert page.url.endswith("/worklist?category=unlikely")
    page.keyboard.press("?")
    expect(overlay).to_be_visible()
