"""Tablets: gestures with one and two fingers, and pages that fit and can be tapped."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import NO_WEBGL, TWO_FRAMES, await_image, page_of
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.records.models import Radiograph

SIZES = [(1024, 768), (820, 1180), (768, 1024)]
LEAST = 24  # CSS pixels, WCAG 2.5.8
Point = tuple[float, float]

# Links within a text are as high as its lines, as WCAG 2.5.8 allows; a stretched link is as large
# as its line of the table.
SMALL = """least => {
    const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary";
    const others = "[class*=visually-hidden], .btn-check, .stretched-link";
    return [...document.querySelectorAll(controls)].filter((element) => {
        const isShown = element.checkVisibility({ visibilityProperty: true });
        const isInText = element.matches("a") && getComputedStyle(element).display === "inline";
        if (!isShown || isInText || element.matches(others)) return false;
        const { width, height } = element.getBoundingClientRect();
        return width < least || height < least;
    }).map((element) => element.outerHTML.slice(0, 120));
}"""


@pytest.fixture
def radiograph(transactional_db: None) -> Radiograph:
    radiograph = make_radiograph(make_study(priority=0, patient=make_patient()), size=(600, 500))
    make_prediction(radiograph, "likely")
    return radiograph


@pytest.fixture
def page(
    radiograph: Radiograph,
    live_server: LiveServer,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    """A tablet, held across, of somebody who reads and uploads; the study is open on it."""
    person = make_user(Role.RADIOLOGIST, Role.UPLOADER, username="both")
    width, height = SIZES[0]
    options: dict[str, Any] = {"viewport": {"width": width, "height": height}, "has_touch": True}
    with page_of(sign_in(person), live_server, *NO_WEBGL, is_mobile=True, **options) as page:
        page.goto(f"/studies/{radiograph.study_id}")
        await_image(page)
        yield page


def middle(page: Page) -> Point:
    box = page.locator("[data-pane=current] .pane-view").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def touch(page: Page, *steps: list[Point]) -> None:
    """Put fingers on the screen, move them from step to step, and lift them all."""
    browser = page.context.new_cdp_session(page)
    for number, fingers in enumerate(steps):
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(fingers)]
        more = number > 0 and len(fingers) <= len(steps[number - 1])
        kind = "touchMove" if more else "touchStart"
        browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.evaluate(TWO_FRAMES)
    browser.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.evaluate(TWO_FRAMES)
    expect(page.locator("[data-pane=current][data-drawn]")).to_be_visible()


def drag(page: Page, x: float, y: float) -> None:
    """Drag one finger from the middle of the picture."""
    at = middle(page)
    touch(page, *[[(at[0] + x * step / 5, at[1] + y * step / 5)] for step in range(6)])


def press(page: Page, selector: str) -> None:
    """Press a button; a tap so soon after another touch is at times taken as part of a gesture."""
    page.locator(selector).click()


def state(page: Page) -> tuple[str, int]:
    """What the corner says of the window and of the zoom."""
    window, percent = (
        page.locator(f"[data-pane=current] .pane-{part}").inner_text()
        for part in ("window", "zoom")
    )
    return window, int(re.sub(r"\D", "", percent))


def test_one_finger_uses_the_selected_tool(page: Page) -> None:
    before = state(page)
    drag(page, 100, 50)
    assert state(page)[0] != before[0]
    assert state(page)[1] == before[1]
    press(page, "[data-action=reset]")
    press(page, "[data-action=tool-zoom]")
    drag(page, 0, -80)
    assert state(page)[0] == before[0]
    assert state(page)[1] != before[1]
    press(page, "[data-action=reset]")
    press(page, "[data-action=tool-length]")
    drag(page, 100, 50)
    expect(page.locator(".svg-layer text")).to_have_count(1)
    press(page, "[data-action=delete-all]")
    press(page, "[data-action=tool-mark]")
    drag(page, 100, 50)
    expect(page.locator("[data-marks-list] .mark-place")).to_have_count(1)


@pytest.mark.parametrize("tool", ["tool-window", "tool-pan", "tool-length", "tool-mark"])
def test_two_fingers_zoom_about_their_centre_with_any_tool(page: Page, tool: str) -> None:
    press(page, f"[data-action={tool}]")
    window, fitted = state(page)
    x, y = middle(page)
    # One finger is always there a little before the other.
    apart = [[(x - 40 - 10 * step, y), (x + 40 + 10 * step, y)] for step in range(9)]
    touch(page, [(x - 40, y)], *apart)
    assert state(page)[0] == window
    assert state(page)[1] == pytest.approx(fitted * 3, rel=0.03)
    assert page.evaluate("visualViewport.scale") == 1
    touch(page, *reversed(apart))
    assert state(page)[1] == pytest.approx(fitted, rel=0.03)
    expect(page.locator(".svg-layer text")).to_have_count(0)
    expect(page.locator("[data-marks-list] .mark-place")).to_have_count(0)


def test_two_fingers_pan_the_image(page: Page) -> None:
    # A mark says where a place of the picture is on the screen.
    press(page, "[data-mark-middle]")
    mark = page.locator(".svg-layer circle").first
    before = mark.bounding_box()
    fitted = state(page)
    x, y = middle(page)
    steps = [(12 * step, 6 * step) for step in range(6)]
    touch(page, *[[(x - 40 + dx, y + dy), (x + 40 + dx, y + dy)] for dx, dy in steps])
    after = mark.bounding_box()
    assert before is not None
    assert after is not None
    moved = after["x"] - before["x"], after["y"] - before["y"]
    assert moved == pytest.approx(steps[-1], abs=4)
    assert state(page) == fitted


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_pages_fit_and_can_be_tapped(
    page: Page, radiograph: Radiograph, size: tuple[int, int]
) -> None:
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    for address in (f"/studies/{radiograph.study_id}", "/worklist", "/uploads/new"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address
        assert page.evaluate(SMALL, LEAST) == [], address
    page.goto("/worklist")
    table = page.locator(".table-responsive")
    assert table.evaluate("table => table.scrollWidth - table.clientWidth") <= 0
    page.context.clear_cookies()
    page.goto("/sign-in")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(SMALL, LEAST) == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_form_is_beside_the_image_or_starts_below_it(page: Page, size: tuple[int, int]) -> None:
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    picture = page.locator(".viewer").bounding_box()
    panels = page.locator(".study-panels").bounding_box()
    assert picture is not None
    assert panels is not None
    is_beside = panels["x"] >= picture["x"] + picture["width"]
    assert is_beside == (width > 991)
    # There is always a part of the page by which a finger can move it.
    assert panels["y"] < height - 100
    page.get_by_text("Definite pneumonia").tap()
    expect(page.get_by_label("Definite pneumonia")).to_be_checked()
