"""The heat map over the image: its position, and when it is shown."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import NO_WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import await_radiograph, look_from_all_sides, pane, press
from webportal.accounts.models import User
from webportal.review.models import ReadingPreference

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_heat_map_stays_aligned_with_the_image(page: Page) -> None:
    look_from_all_sides(page)


def test_the_heat_map_is_reset_with_each_study(page: Page, case: Case) -> None:
    overlay = pane(page).locator(".pane-heatmap")
    expect(overlay).to_be_hidden()
    opacity = page.locator("[data-heatmap-opacity]")
    expect(opacity).to_have_value("30")
    press(page, "o")
    expect(overlay).to_be_visible()
    expect(page.get_by_text("an area without colour is not necessarily healthy")).to_be_visible()
    opacity.fill("60")
    assert overlay.evaluate("image => getComputedStyle(image).opacity") == "0.6"
    page.reload()
    await_radiograph(page, case.plain)
    expect(overlay).to_be_hidden()
    expect(opacity).to_have_value("30")
    press(page, "o")
    expect(overlay).to_be_visible()
    press(page, "PageDown")
    await_radiograph(page, case.monochrome1)
    expect(overlay).to_be_hidden()
    expect(page.locator("[data-heatmap-switch]")).to_be_disabled()


def test_those_who_read_first_see_no_heat_map_before_opening_the_result(
    open_case: Callable[..., Page], reader: User, case: Case
) -> None:
    ReadingPreference.objects.create(reader=reader, reads_first=True)
    page = open_case(NO_WEBGL)
    assert page.locator(".viewer").get_attribute("data-rendering") == "cpu"
    overlay = pane(page).locator(".pane-heatmap")
    score = page.locator(".panel-machine .verdict").first
    press(page, "o")
    expect(overlay).to_be_hidden()
    expect(score).to_be_hidden()
    expect(page.locator(".timeline-machine").first).to_be_hidden()
    page.get_by_text("Open the model’s result").click()
    expect(score).to_be_visible()
    expect(overlay).to_be_hidden()
    # The browser tells of the opening a little after it has opened.
    expect(page.locator("[data-heatmap-switch]")).to_be_enabled()
    press(page, "o")
    expect(overlay).to_be_visible()
    page.reload()
    await_radiograph(page, case.plain)
    expect(overlay).to_be_hidden()
