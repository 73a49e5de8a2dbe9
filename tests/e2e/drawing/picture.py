"""The picture that is drawn on: places on the screen, and what the read keeps of the drawing."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page

from tests.helpers import wait_until
from webportal.review.models import Read

COLUMNS, ROWS = 500, 600
Place = tuple[float, float]  # column and row in pixels of the image


def on_screen(page: Page, column: float, row: float) -> tuple[float, float]:
    """Where a place of the upright, fitted image is in the window: it is as high as its pane."""
    box = page.locator("[data-pane=current] .pane-view").bounding_box()
    assert box is not None
    scale = box["height"] / ROWS
    left = box["x"] + (box["width"] - COLUMNS * scale) / 2
    return left + column * scale, box["y"] + row * scale


# The pane may still get its size, and what is drawn follows with the next frame.
IS_DRAWN_AT = """([shape, column, row, columns, rows]) => {
    const pane = document.querySelector("[data-pane=current]");
    const view = pane.querySelector(".pane-view").getBoundingClientRect();
    const drawn = pane.querySelector(`.svg-layer ${shape}`)?.getBoundingClientRect();
    const scale = view.height / rows;
    const x = view.x + (view.width - columns * scale) / 2 + column * scale;
    return drawn && Math.abs(drawn.x - x) < 4 && Math.abs(drawn.y - view.y - row * scale) < 4;
}"""


def await_drawn_at(page: Page, shape: str, column: float, row: float) -> None:
    """Wait until the upper left corner of a shape is at a place of the upright, fitted image."""
    page.wait_for_function(IS_DRAWN_AT, arg=[shape, column, row, COLUMNS, ROWS])


def drag(page: Page, start: Place, end: Place) -> None:
    """Drag the mouse from one place of the image to another."""
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, *end), steps=4)
    page.mouse.up()


def drawn(page: Page, shape: str) -> Locator:
    return page.locator(f"[data-pane=current] .svg-layer {shape}")


def await_draft(is_right: Callable[[Read], object]) -> Read:
    """The only draft, once it has been kept with what was done last."""
    drafts = Read.objects.filter(state="draft")
    wait_until(lambda: any(is_right(draft) for draft in drafts.all()), "the draft was as it should")
    return drafts.get()
