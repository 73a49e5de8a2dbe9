"""The viewer where the browser has no WebGL."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import NO_WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import (
    assert_measured_up_to_the_edge,
    await_radiograph,
    drag,
    look_from_all_sides,
    mark,
    measurement,
    photograph,
    press,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_viewer_shows_and_rotates_the_image_without_webgl(
    open_case: Callable[..., Page], case: Case
) -> None:
    page = open_case(NO_WEBGL)
    assert page.locator(".viewer").get_attribute("data-rendering") == "cpu"
    look_from_all_sides(page)
    press(page, "d")
    drag(page, (300, 300), (500, 300))
    assert "mm at the detector" in measurement(page)
    press(page, "Backspace")
    assert_measured_up_to_the_edge(page)
    press(page, "PageDown")
    await_radiograph(page, case.monochrome1)
    mark(photograph(page))
    press(page, "i", " ")
    mark(photograph(page))
