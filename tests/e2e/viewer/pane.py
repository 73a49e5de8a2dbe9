"""What a person sees of a pane of the viewer, and does to it.

Greys are read from screenshots: what counts is what a person sees.
"""

import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import TWO_FRAMES
from tests.e2e.viewer.case import WHITE
from webportal.records.models import Radiograph

SECONDS = 1000
PATIENCE = 90 * SECONDS
# The viewer draws without WebGL where a browser only imitates it, as the one of these tests does.
LIKE_A_GRAPHICS_CARD = """for (const kind of [WebGLRenderingContext, WebGL2RenderingContext]) {
    const ask = kind.prototype.getParameter;
    kind.prototype.getParameter = function (name) {
        return name === 0x9246 ? "A graphics card" : ask.call(this, name);
    };
}"""
# What a pane says of its measurement once that has not changed for half a second: it follows a drag
# at most ten times a second.
MEASURED = """pane => new Promise((done) => {
    let [before, since] = ["", 0];
    const look = (now) => {
        const lines = [...pane.querySelectorAll(".svg-layer text tspan")];
        const text = lines.map((line) => line.textContent).join(" | ");
        if (text !== before || !text) [before, since] = [text, now];
        if (now - since > 500) done(text);
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""


def pane(page: Page, name: str = "current") -> Locator:
    return page.locator(f'[data-pane="{name}"]')


def await_radiograph(page: Page, radiograph: Radiograph, name: str = "current") -> None:
    locator = page.locator(f'[data-pane="{name}"][data-shown="{radiograph.pk}"]')
    expect(locator).to_be_visible(timeout=PATIENCE)
    await_drawing(page)


def await_drawing(page: Page) -> None:
    """Wait until every picture on the screen is what was last asked for."""
    page.evaluate(TWO_FRAMES)  # what was pressed takes effect in one of them
    expect(page.locator("[data-shown]:not([data-drawn])")).to_have_count(0, timeout=PATIENCE)


def photograph(page: Page, name: str = "current") -> NDArray[np.int16]:
    """The pane as it is on the screen: rows × columns × RGB."""
    await_drawing(page)
    picture = pane(page, name).locator(".pane-view").screenshot()
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(np.int16)


def mark(picture: NDArray[np.int16]) -> tuple[float, float]:
    """Where the white mark is: x and y in pixels of the pane; nothing else there is as white."""
    return centre(picture.min(axis=2) >= 240)


def centre(mask: NDArray[np.bool_]) -> tuple[float, float]:
    assert mask.sum() > 20
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


def state(page: Page, name: str = "current") -> str:
    return pane(page, name).locator(".pane-state").inner_text()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    await_drawing(page)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], **options: Any) -> None:
    """Drag between two points of the current pane."""
    box = pane(page).locator(".pane-view").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down(**options)
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=5)
    page.mouse.up(**options)
    await_drawing(page)


def measurement(page: Page) -> str:
    """The text beside the only measurement, once it follows the mouse no more."""
    return str(pane(page).evaluate(MEASURED))


def zoom(page: Page, name: str = "current") -> int:
    found = re.search(r"(\d+) %", state(page, name))
    assert found is not None
    return int(found[1])


def assert_aligned(page: Page) -> None:
    """The heat map's only spot is where the picture has its white mark."""
    without = photograph(page)
    press(page, "o")
    expect(pane(page).locator(".pane-heatmap")).to_be_visible()
    pane(page).locator(".pane-heatmap").evaluate("image => image.decode()")
    # What the legend says changes the screen as well, and it may lie over the spot.
    page.locator(".viewer-legend").evaluate("legend => { legend.style.visibility = 'hidden' }")
    changed = np.abs(photograph(page) - without).max(axis=2) > 60
    press(page, "o")
    assert centre(changed) == pytest.approx(mark(without), abs=8)


def look_from_all_sides(page: Page) -> None:
    press(page, "o")
    page.locator("[data-heatmap-opacity]").fill("100")
    press(page, "o")
    assert_aligned(page)
    for keys in (["r"], ["h"], ["+", "+"], ["v", "l"]):
        press(page, *keys)
        assert_aligned(page)
    press(page, "p")
    drag(page, (500, 400), (560, 380))
    assert_aligned(page)


def assert_measured_up_to_the_edge(page: Page) -> None:
    """A rectangle that ends within the outermost pixels of the white mark holds white alone."""
    box = pane(page).locator(".pane-view").bounding_box()
    assert box is not None
    x, y = mark(photograph(page))
    page.mouse.move(box["x"] + x, box["y"] + y)
    for _ in range(5):
        page.mouse.wheel(0, -300)
        await_drawing(page)
    # Each of its 25 pixels is some eight on the screen now, and what is white ends within the last.
    rows, columns = np.nonzero(photograph(page).min(axis=2) >= 240)
    assert np.ptp(rows) > 150
    left, right = int(columns.min()), int(columns.max())
    top, bottom = int(rows.min()), int(rows.max())
    press(page, "b")
    drag(page, (left + 1, top + 1), (right - 1, bottom - 1))
    assert measurement(page).startswith(f"mean {WHITE}.0 | SD 0.0")
    press(page, "x", " ")
    expect(pane(page).locator(".svg-layer text")).to_have_count(0)
