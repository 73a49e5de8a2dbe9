"""Non-square pixels: the whole image in view, in its true proportions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from tests import dicom_files as files
from tests.e2e.browser import WEBGL
from tests.e2e.viewer.case import CELLS, MARKED_CELL, WHITE, Case
from tests.e2e.viewer.pane import (
    LIKE_A_GRAPHICS_CARD,
    assert_aligned,
    drag,
    mark,
    photograph,
    press,
    zoom,
)
from tests.factories import replace_file

pytestmark = pytest.mark.django_db(transaction=True)

# Twice as many columns as rows, of pixels that are twice as high as wide: a square.
ROWS, COLUMNS = 280, 560
TALL: dict[str, dict[str, Any]] = {
    "spacing": {"ImagerPixelSpacing": [0.4, 0.2]},
    "aspect": {"PixelAspectRatio": [2, 1]},
}


def store(case: Case, **elements: Any) -> None:
    """A square picture whose white mark fills the cell that the heat map has marked."""
    greys = np.full((ROWS, COLUMNS), 1200, np.uint16)
    row, column = MARKED_CELL
    down, across = ROWS // CELLS, COLUMNS // CELLS
    greys[row * down : (row + 1) * down, column * across : (column + 1) * across] = WHITE
    data = files.dicom(greys, 12, WindowCenter=2048, WindowWidth=4096, **elements)
    replace_file(case.plain, data)
    type(case.plain).objects.filter(pk=case.plain.pk).update(rows=ROWS, columns=COLUMNS)


def white(page: Page) -> tuple[int, int]:
    """Width and height of the white mark on the screen."""
    rows, columns = np.nonzero(photograph(page).min(axis=2) >= 240)
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


@pytest.mark.parametrize("rendering", ["gpu", "cpu"])
@pytest.mark.parametrize("said", TALL)
def test_the_whole_image_is_in_view_in_its_proportions(
    said: str,
    rendering: str,
    case: Case,
    open_case: Callable[..., Page],
) -> None:
    store(case, **TALL[said])
    scripts = [LIKE_A_GRAPHICS_CARD] if rendering == "gpu" else []
    page = open_case(WEBGL, *scripts)
    assert page.locator(".viewer").get_attribute("data-rendering") == rendering
    picture = photograph(page)
    height, width = picture.shape[:2]
    side = height / CELLS
    row, column = MARKED_CELL
    assert white(page) == pytest.approx((side, side), abs=4)
    expected = (width / 2 - height / 2 + (column + 0.5) * side, (row + 0.5) * side)
    assert mark(picture) == pytest.approx(expected, abs=2)
    assert_aligned(page)

    fitted = zoom(page)
    press(page, "r")
    assert white(page) == pytest.approx((side, side), abs=4)
    press(page, "l", "+", "+")
    assert white(page) == pytest.approx((side * 1.44, side * 1.44), abs=5)
    assert zoom(page) == pytest.approx(fitted * 1.44, abs=2)
    before = mark(photograph(page))
    press(page, "p")
    drag(page, (400, 300), (430, 320))
    assert mark(photograph(page)) == pytest.approx((before[0] + 30, before[1] + 20), abs=3)
    assert_aligned(page)
