"""Overlay planes over the image: their position, and switching them off."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from tests import dicom_files as files
from tests.e2e.browser import NO_WEBGL, WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import (
    LIKE_A_GRAPHICS_CARD,
    await_radiograph,
    centre,
    pane,
    photograph,
    press,
)
from tests.factories import replace_file

pytestmark = pytest.mark.django_db(transaction=True)

ROWS, COLUMNS = 600, 500
OTHER = (slice(500, 520), slice(50, 150))  # lower left


@pytest.fixture
def with_overlays(case: Case) -> Case:
    """The first image brings a plane of its own and another in a high bit of the pixels."""
    ds = files.dataset(np.full((ROWS, COLUMNS), 1000, np.uint16), 12, PatientOrientation=["L", "F"])
    files.add_overlay(ds, np.ones((60, 40), np.bool_), origin=(61, 401))
    embedded = np.zeros((ROWS, COLUMNS), np.bool_)
    embedded[OTHER] = True
    files.embed_overlay(ds, embedded, 14, group=0x6002)
    case.plain.rows, case.plain.columns = ROWS, COLUMNS
    case.plain.save()
    replace_file(case.plain, files.file_bytes(ds))
    return case


def coloured(page: Page) -> NDArray[np.bool_]:
    """Where the screen has the colour of overlays."""
    picture = photograph(page)
    red, blue = picture[..., 0], picture[..., 2]
    return (blue > 150) & (blue - red > 60)


def assert_at(page: Page, row: float, column: float, mask: NDArray[np.bool_]) -> None:
    """The centre of the mask is where a place of the fitted, upright picture is on the screen."""
    height, width = mask.shape
    scale = height / ROWS
    expected = (width / 2 + (column - COLUMNS / 2) * scale, row * scale)
    assert centre(mask) == pytest.approx(expected, abs=3)


@pytest.mark.parametrize("rendering", ["gpu", "cpu"])
def test_they_lie_where_the_file_says_and_follow_the_image(
    rendering: str,
    with_overlays: Case,
    open_case: Callable[..., Page],
) -> None:
    page = open_case(WEBGL, LIKE_A_GRAPHICS_CARD) if rendering == "gpu" else open_case(NO_WEBGL)
    assert page.locator(".viewer").get_attribute("data-rendering") == rendering
    seen = coloured(page)
    height, width = seen.shape
    upper, lower = seen.copy(), seen.copy()
    upper[height // 2 :] = lower[: height // 2] = False
    assert_at(page, 90, 420, upper)
    assert_at(page, 510, 100, lower)

    press(page, "h")
    assert np.abs(coloured(page)[:, ::-1] != seen).mean() < 0.002
    press(page, "h", "r")
    turned = coloured(page)
    # Turned to the right, what was up is at the right.
    x, _ = centre(np.where(np.arange(width) > width / 2, turned, False))
    assert x > width / 2
    press(page, "l", "+")
    x, y = centre(upper)
    larger = coloured(page)
    larger[height // 2 :] = False
    assert centre(larger) == pytest.approx(
        (width / 2 + (x - width / 2) * 1.2, height / 2 + (y - height / 2) * 1.2), abs=4
    )


def test_they_can_be_switched_off_and_the_page_says_so(
    with_overlays: Case, open_case: Callable[..., Page]
) -> None:
    page = open_case(NO_WEBGL)
    badges = pane(page).locator(".pane-badges")
    button = page.get_by_role("button", name="Overlay of the file on or off")
    assert coloured(page).any()
    expect(badges).to_have_text("")
    press(page, "y")
    assert not coloured(page).any()
    expect(badges).to_have_text("Overlay hidden")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    assert coloured(page).any()
    expect(badges).to_have_text("")
    # There is no button where there is nothing to switch.
    press(page, "PageDown")
    await_radiograph(page, with_overlays.monochrome1)
    expect(button).to_be_hidden()
