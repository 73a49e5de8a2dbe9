"""Reading with the keyboard alone, in a browser."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, context_of, page_kept, wait_for_picture
from tests.factories import make_prediction
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.review.models import Read, Reservation, TextTemplate

PIN = "271828"


@pytest.fixture
def page(
    live_server: LiveServer,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    """The worklist of a radiologist who is signed in."""
    size = {"width": 1280, "height": 800}
    with context_of(sign_in(radiologist), live_server, *NO_WEBGL, viewport=size) as context:
        page = page_kept(context)
        page.goto("/worklist")
        yield page


@pytest.fixture
def studies(transactional_db: None) -> list[Prediction]:
    """Two studies that the model calls unlikely, the first one urgent."""
    predictions = [make_prediction(category="unlikely") for _ in range(2)]
    first = predictions[0].radiograph.study
    first.priority = 0
    first.save()
    return predictions


class Keyboard:
    """Presses keys and counts them; text that is typed into the password field is counted apart."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.strokes = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.strokes += 1

    def give_password(self) -> None:
        expect(self.page.locator("input[name=password]")).to_be_focused()
        self.page.keyboard.type(PASSWORD)


def expect_study(page: Page, prediction: Prediction) -> None:
    page.wait_for_url(f"**/studies/{prediction.radiograph.study_id}")
    expect(page.get_by_role("heading", name="Your read")).to_be_visible()
    page.wait_for_load_state("networkidle")
    wait_for_picture(page)
    expect(page.get_by_role("button", name="Sign, next")).to_be_enabled()


@pytest.mark.parametrize(("width", "height"), [(1600, 1000), (1920, 1080), (1280, 800)])
def test_the_signature_is_visible_without_scrolling(
    page: Page, studies: list[Prediction], width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"/studies/{studies[0].radiograph.study_id}")
    for name in ("Sign, next", "Sign"):
        expect(page.get_by_role("button", name=name, exact=name == "Sign")).to_be_in_viewport(
            ratio=1
        )
    page.keyboard.press("t")
    expect(page.get_by_label("Impression")).to_be_focused()
    # What is in focus comes above the row; the browser scrolls softly.
    page.wait_for_function(
        """() => document.activeElement.getBoundingClientRect().bottom
            <= document.querySelector(".signing-row").getBoundingClientRect().top"""
    )


def test_a_negative_takes_few_keys_and_the_next_study_follows(
    studies: list[Prediction], page: Page, radiologist: User
) -> None:
    page.wait_for_load_state("networkidle")
    keyboard = Keyboard(page)
    keyboard.press("n")
    expect_study(page, studies[0])
    expect(page.get_by_text("Reserved for you")).to_be_visible()
    assert Reservation.objects.get().reader == radiologist
    keyboard.press("1", "Enter")
    keyboard.give_password()
    keyboard.press("Enter")
    expect_study(page, studies[1])
    assert keyboard.strokes < 10
    read = Read.objects.get(state="signed")
    assert (read.decision, read.pneumonia) == ("confirm", "none")
    # The study that is left unread goes back, and there is nothing below it.
    keyboard.press("n")
    expect(page.get_by_text("nothing left for you to read")).to_be_visible()
    assert not Reservation.objects.exists()


def test_a_negative_takes_nine_keys_with_a_pin_set_on_the_way(
    studies: list[Prediction], page: Page
) -> None:
    third = make_prediction(category="unlikely")
    keyboard = Keyboard(page)
    keyboard.press("n")
    expect_study(page, studies[0])
    keyboard.press("1", "Enter")
    keyboard.give_password()
    keyboard.press("Enter")
    expect_study(page, studies[1])
    page.get_by_text("Sign the next ones with a PIN").press("Enter")
    page.get_by_label("PIN of 6 to 12 digits").fill(PIN)
    page.get_by_label("PIN again").fill(PIN)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password", exact=True).press("Enter")
    expect(page.get_by_text("Your PIN is set.")).to_be_visible()
    keyboard.strokes = 0
    keyboard.press("1", "Enter", *PIN, "Enter")
    expect_study(page, third)
    assert Read.objects.filter(state="signed").count() == 2
    assert keyboard.strokes <= 9


def test_findings_zones_and_texts_by_keys_are_drafted_and_signed(
    studies: list[Prediction], page: Page
) -> None:
    TextTemplate.objects.create(owner=None, key="b", name="Base", text="Opacity of the right base.")
    page.wait_for_load_state("networkidle")
    keyboard = Keyboard(page)
    keyboard.press("n")
    expect_study(page, studies[0])
    keyboard.press("3", "g", "3", "5", "q", "b", "t")
    expect(page.get_by_label("Impression")).to_be_focused()
    keyboard.press("!", "Escape")
    expect(page.get_by_label("Definite pneumonia")).to_be_checked()
    expect(page.get_by_label("Right lower zone")).to_be_checked()
    expect(page.get_by_label("Pleural effusion")).to_be_checked()
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    page.reload()
    expect(page.get_by_label("Right lower zone")).to_be_checked()
    expect(page.get_by_label("Impression")).to_have_value("Opacity of the right base.!")
    # A digit typed into the text chooses nothing.
    page.get_by_label("Impression").press("1")
    expect(page.get_by_label("Definite pneumonia")).to_be_checked()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    keyboard.give_password()
    page.keyboard.press("Enter")
    expect_study(page, studies[1])
    read = Read.objects.get(state="signed")
    assert (read.decision, read.pneumonia, read.zones) == (
        "overrule",
        "definite",
        ["right_lower"],
    )
    assert read.other_findings == ["effusion"]
