"""The image in the viewer: its greys, its windows, and its position."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import await_radiograph, drag, mark, pane, photograph, press, state, zoom

pytestmark = pytest.mark.django_db(transaction=True)


def test_monochrome1_looks_like_monochrome2_even_after_a_reset(page: Page, case: Case) -> None:
    press(page, "j")  # the words around the pictures differ in length
    plain = photograph(page)
    assert page.locator(".viewer").get_attribute("data-rendering") == "gpu"
    press(page, "PageDown")
    await_radiograph(page, case.monochrome1)
    first = photograph(page)
    body = (slice(200, -200), slice(250, -250))  # without what is written in the corners
    assert np.abs(first[body] - plain[body]).mean() < 3
    press(page, "i")
    inverted = photograph(page)
    assert np.abs(255 - inverted[body] - first[body]).mean() < 6
    press(page, "h", "r", "+", " ")
    assert np.abs(photograph(page)[body] - first[body]).mean() < 1
    press(page, "PageUp")
    await_radiograph(page, case.plain)
    assert np.abs(photograph(page)[body] - plain[body]).mean() < 1


def test_windows_by_dragging_and_by_keys(page: Page) -> None:
    shown = pane(page).locator(".pane-state")
    as_sent = state(page)
    assert as_sent.startswith("W 4096 · L 2048")
    drag(page, (300, 300), (380, 340))
    expect(shown).not_to_have_text(as_sent)
    dragged = state(page)
    press(page, "Shift+Digit2")
    expect(shown).not_to_have_text(dragged)
    lungs = state(page)
    press(page, "Shift+Digit3")
    expect(shown).not_to_have_text(lungs)
    assert len({as_sent, dragged, lungs, state(page)}) == 4
    press(page, "Shift+Digit1")
    expect(shown).to_have_text(as_sent)
    press(page, "Shift+Digit4", " ")
    expect(shown).to_have_text(as_sent)
    page.get_by_role("button", name="Window", exact=True).click()
    page.get_by_role("button", name="Full range").click()
    expect(shown).not_to_have_text(as_sent)


def test_zoom_and_pan_by_keys_wheel_and_dragging(page: Page) -> None:
    picture = photograph(page)
    height, width = picture.shape[:2]
    x, y = mark(picture)
    assert x < width / 2
    assert y < height / 2
    side = min(width, height)

    press(page, "h")
    assert mark(photograph(page)) == pytest.approx((width - x, y), abs=3)
    press(page, "v")
    assert mark(photograph(page)) == pytest.approx((width - x, height - y), abs=3)
    press(page, "h", "v", "r")
    turned = (width / 2 + (height / 2 - y), height / 2 + (x - width / 2))
    assert mark(photograph(page)) == pytest.approx(turned, abs=3)
    # What is flipped is what is seen, however the picture lies.
    press(page, "h")
    assert mark(photograph(page)) == pytest.approx((width - turned[0], turned[1]), abs=3)
    sides = [pane(page).locator(f".pane-side-{side}").inner_text() for side in ("top", "left")]
    assert sides == ["R", "H"]
    press(page, "h", "l")
    assert mark(photograph(page)) == pytest.approx((x, y), abs=2)

    fitted = zoom(page)
    press(page, "+", "+")
    assert zoom(page) == pytest.approx(fitted * 1.44, abs=2)
    further = mark(photograph(page))
    assert further[0] == pytest.approx(width / 2 + (x - width / 2) * 1.44, abs=4)
    press(page, "-", "-")
    assert zoom(page) == fitted
    press(page, "p")
    drag(page, (300, 300), (360, 340))
    assert mark(photograph(page)) == pytest.approx((x + 60, y + 40), abs=4)
    press(page, "=")
    assert mark(photograph(page)) == pytest.approx((x, y), abs=2)
    # The wheel keeps what is under the pointer.
    box = pane(page).locator(".pane-view").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.wheel(0, -300)
    assert mark(photograph(page)) == pytest.approx((x, y), abs=4)
    assert zoom(page) > fitted
    press(page, " ", "z")
    drag(page, (side / 2, side / 2), (side / 2, side / 2 + 60))
    assert zoom(page) != fitted
