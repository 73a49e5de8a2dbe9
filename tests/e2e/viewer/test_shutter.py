"""The display shutter of a file covers what it hides, until it is lifted."""

import os
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from tests import dicom_files as files
from tests.e2e.browser import NO_WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import await_radiograph, pane, photograph, press
from tests.factories import replace_file
from tests.helpers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ROWS, COLUMNS = 600, 500
COVERED = "Display shutter on"


def shut(case: Case, **shutter: object) -> None:
    """The first image is evenly bright and brings a shutter."""
    bright = np.full((ROWS, COLUMNS), 3500, np.uint16)
    ds = files.dataset(bright, 12, WindowCenter=2048, WindowWidth=4096, **shutter)
    case.plain.rows, case.plain.columns = ROWS, COLUMNS
    case.plain.save()
    replace_file(case.plain, files.file_bytes(ds))


def bright(page: Page) -> NDArray[np.bool_]:
    """Where the pane is bright."""
    found: NDArray[np.bool_] = photograph(page).min(axis=2) > 180
    return found


def share_of(mask: NDArray[np.bool_]) -> float:
    """The share of the whole picture, fitted to the height of the pane."""
    height = mask.shape[0]
    return float(mask.sum() / (height * height * COLUMNS / ROWS))


def test_it_covers_what_the_file_hides_and_can_be_lifted(
    case: Case, open_case: Callable[..., Page]
) -> None:
    shut(
        case,
        ShutterShape=["RECTANGULAR", "CIRCULAR"],
        ShutterLeftVerticalEdge=101,
        ShutterRightVerticalEdge=500,
        ShutterUpperHorizontalEdge=61,
        ShutterLowerHorizontalEdge=540,
        CenterOfCircularShutter=[300, 250],
        RadiusOfCircularShutter=200,
    )
    page = open_case(NO_WEBGL)
    badges = pane(page).locator(".pane-badges")
    button = page.get_by_role("button", name="Display shutter of the file on or off")
    expect(badges).to_have_text(COVERED)
    seen = bright(page)
    if folder := os.environ.get("CHESTLINE_PICTURES"):
        page.screenshot(path=f"{folder}/shutter.png")
    height, width = seen.shape
    scale = height / ROWS
    rows, columns = np.nonzero(seen)
    edges = (columns.min(), columns.max(), rows.min(), rows.max())
    left = width / 2 - COLUMNS / 2 * scale
    expected = (left + 100 * scale, left + 450 * scale, 100 * scale, 500 * scale)
    assert edges == pytest.approx(expected, abs=4)
    press(page, "h")
    assert np.abs(bright(page)[:, ::-1] != seen).mean() < 0.01
    press(page, "h", ",")
    assert share_of(bright(page)) > 0.95
    expect(badges).to_have_text("Display shutter lifted")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    assert share_of(bright(page)) < 0.6
    # There is no button where there is nothing to lift.
    press(page, "PageDown")
    await_radiograph(page, case.monochrome1)
    expect(button).to_be_hidden()
    expect(badges).to_have_text("")


def test_page_keys_scroll_where_there_is_no_further_image(
    case: Case, open_case: Callable[..., Page]
) -> None:
    page = open_case(NO_WEBGL)
    page.set_viewport_size({"width": 700, "height": 600})
    page.goto(f"/studies/{case.following.study_id}")
    await_radiograph(page, case.following)
    page.evaluate("document.querySelector('h1').focus({preventScroll: true})")
    page.keyboard.press("PageDown")
    scrolled = "document.scrollingElement.scrollTop"
    wait_until(lambda: page.evaluate(scrolled) > 200, "the page is scrolled")
