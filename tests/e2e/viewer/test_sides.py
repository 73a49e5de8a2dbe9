"""Left and right: indication of a flipped or rotated image, and the zones that follow it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import dicom_files as files
from tests.e2e.browser import NO_WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import pane, press, zoom
from tests.factories import replace_file

pytestmark = pytest.mark.django_db(transaction=True)


def badges(page: Page) -> Locator:
    return pane(page).locator(".pane-badges")


def side(page: Page, name: str) -> str:
    return pane(page).locator(f".pane-side-{name}").inner_text()


def is_left_of(one: Locator, other: Locator) -> bool:
    boxes = [one.bounding_box(), other.bounding_box()]
    assert boxes[0] is not None
    assert boxes[1] is not None
    return boxes[0]["x"] < boxes[1]["x"]


def zones(page: Page) -> tuple[Locator, Locator]:
    """The picker's upper zone of the patient's right and left lung."""
    return page.locator(".zone-right_upper"), page.locator(".zone-left_upper")


def store(case: Case, **elements: object) -> None:
    data = files.dicom(files.phantom(12, (700, 700)), 12, **elements)
    replace_file(case.plain, data)


@pytest.fixture
def page(open_case: Callable[..., Page]) -> Page:
    return open_case(NO_WEBGL)


def test_a_badge_shows_how_the_image_is_flipped_or_rotated(page: Page) -> None:
    expect(badges(page)).to_have_text("")
    for keys, words in (
        (["h"], "Flipped left–right"),
        (["v"], "Flipped top–bottom"),
        (["h", "v"], "Rotated 180°"),
        (["r"], "Rotated 90° right"),
        (["l"], "Rotated 90° left"),
        (["h", "r"], "Flipped and rotated 90° right"),
    ):
        press(page, *keys)
        expect(badges(page)).to_have_text(words)
        # It stays when the other words go.
        press(page, "j")
        expect(badges(page)).to_be_visible()
        press(page, "j", " ")
        expect(badges(page)).to_have_text("")


def test_the_zones_follow_a_flipped_image(page: Page) -> None:
    right, left = zones(page)
    assert (side(page, "left"), side(page, "right")) == ("R", "L")
    assert is_left_of(right, left)
    press(page, "h")
    assert (side(page, "left"), side(page, "right")) == ("L", "R")
    assert is_left_of(left, right)
    expect(page.get_by_text("the patient’s right is on the right")).to_be_visible()
    # A key means the same zone wherever that lies.
    press(page, "g", "1")
    expect(page.locator("#zone-right_upper")).to_be_checked()
    press(page, "h")
    assert is_left_of(right, left)
    expect(page.get_by_text("the patient’s right is on the right")).to_be_hidden()
    press(page, "r")
    expect(page.get_by_text("The image lies on its side.")).to_be_visible()
    press(page, "r")
    assert is_left_of(left, right)


def test_an_image_stored_flipped_counts_too(case: Case, open_case: Callable[..., Page]) -> None:
    store(case, PatientOrientation=["R", "F"])
    page = open_case(NO_WEBGL)
    right, left = zones(page)
    assert (side(page, "left"), side(page, "right")) == ("L", "R")
    expect(badges(page)).to_have_text("")
    assert is_left_of(left, right)


def test_no_sides_are_labelled_if_the_file_names_none(
    case: Case, open_case: Callable[..., Page]
) -> None:
    store(case)
    page = open_case(NO_WEBGL)
    right, left = zones(page)
    note = page.locator("[data-zones-note]")
    assert [side(page, name) for name in ("top", "right", "bottom", "left")] == [""] * 4
    expect(pane(page).get_by_text("sides not named")).to_be_visible()
    expect(note).to_have_text(
        "The file does not say which side is which. Check the side marker in the image."
    )
    assert is_left_of(right, left)
    press(page, "h")
    expect(badges(page)).to_have_text("Flipped left–right")
    assert is_left_of(left, right)
    expect(note).to_contain_text("the patient’s right is on the right")


def test_no_text_lies_on_the_image_and_all_of_it_can_be_hidden(page: Page) -> None:
    view = pane(page).locator(".pane-view").bounding_box()
    assert view is not None
    press(page, "o")
    texts = pane(page).locator(".pane-corner, .viewer-legend, .pane-badges")
    for text in texts.all():
        box = text.bounding_box()
        if box is None:
            continue
        assert (
            box["y"] + box["height"] <= view["y"] + 1 or box["y"] >= view["y"] + view["height"] - 1
        )
    assert pane(page).locator(".viewer-legend").is_visible()
    before = zoom(page)
    press(page, "j")
    for text in pane(page).locator(".pane-corner, .viewer-legend").all():
        expect(text).to_be_hidden()
    press(page, "j")
    expect(pane(page).locator(".pane-patient")).to_be_visible()
    assert zoom(page) == before
    # The button does the same, and says which way it is.
    button = page.get_by_role("button", name="Text around the image on or off")
    expect(button).to_have_attribute("title", re.compile(r"\(J\)"))
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(pane(page).locator(".pane-patient")).to_be_hidden()
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    # Switching the heat map leaves the picture where it is.
    press(page, "o")
    assert pane(page).locator(".pane-view").bounding_box() == view
    press(page, "?")
    listed = page.get_by_role("dialog", name="Keys of the viewer")
    expect(listed.get_by_text("Text around the image on or off")).to_be_visible()
    expect(listed.get_by_text(re.compile("Overlay of the file"))).to_be_visible()
