"""Measurements on the image, and the magnifying glass."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.viewer.case import CELLS, SPACING, WHITE
from tests.e2e.viewer.pane import (
    PATIENCE,
    assert_measured_up_to_the_edge,
    drag,
    mark,
    measurement,
    pane,
    photograph,
    press,
)
from tests.helpers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_measurements(page: Page) -> None:
    picture = photograph(page)
    scale = picture.shape[0] / 700  # the picture is as high as the pane
    press(page, "d")
    drag(page, (300, 300), (500, 300))
    length = re.match(r"([\d.]+) mm at the detector", measurement(page))
    assert length is not None
    assert float(length[1]) == pytest.approx(200 / scale * SPACING, rel=0.02)
    expect(page.locator(".viewer-not-kept")).to_be_visible()
    press(page, "Backspace")
    expect(pane(page).locator(".svg-layer text")).to_have_count(0)

    x, y = mark(picture)
    half = 700 / CELLS / 4 * scale * 0.6
    # An ellipse is drawn from its middle.
    for key, start in (("b", (x - half, y - half)), ("e", (x, y))):
        press(page, key)
        drag(page, start, (x + half, y + half))
        assert measurement(page).startswith(f"mean {WHITE}.0 | SD 0.0")
        press(page, "x")
        expect(pane(page).locator(".svg-layer text")).to_have_count(0)

    assert_measured_up_to_the_edge(page)
    press(page, "a")
    drag(page, (300, 400), (300, 500))
    box = pane(page).locator(".pane-view").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 500, steps=4)
    page.mouse.click(box["x"] + 400, box["y"] + 500)
    assert float(measurement(page).rstrip("°")) == pytest.approx(90, abs=0.5)


def test_the_magnifying_glass_shows_what_is_under_it(page: Page) -> None:
    x, y = mark(photograph(page))
    lens = page.locator(".viewer-lens")
    expect(lens).to_be_hidden()
    press(page, "m")
    box = pane(page).locator(".pane-view").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    expect(lens.locator("canvas.cornerstone-canvas")).to_be_visible()
    expect(lens).to_have_attribute("data-shown", re.compile(".+"), timeout=PATIENCE)
    page.mouse.move(box["x"] + x + 1, box["y"] + y)

    def has_white_in_the_middle() -> bool:
        magnified = np.asarray(Image.open(BytesIO(lens.screenshot())).convert("L"))
        return bool(magnified[magnified.shape[0] // 2, magnified.shape[1] // 2] > 230)

    wait_until(has_white_in_the_middle, "the white mark was under the glass")
    page.mouse.up()
    expect(lens).to_be_hidden()
