"""All images of a study on the strip, and two of them side by side."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browser import NO_WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import await_radiograph, pane, press, state
from tests.helpers import audit_actions, wait_until
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db(transaction=True)


def item(page: Page, radiograph: Radiograph) -> Locator:
    return page.locator(f'[data-strip="{radiograph.pk}"]')


def test_two_images_of_a_study_side_by_side(case: Case, open_case: Callable[..., Page]) -> None:
    page = open_case(NO_WEBGL)
    expect(item(page, case.plain)).to_contain_text("1 PA")
    expect(item(page, case.plain).locator(".strip-shown")).to_be_visible()
    # Its small picture is there before it is looked at, and that does not count as viewing.
    small = item(page, case.monochrome1).locator("canvas")
    page.wait_for_function(
        "c => c.getContext('2d').getImageData(0, 0, 9, 9).data[3] === 255",
        arg=small.element_handle(),
    )
    expect(item(page, case.monochrome1).locator(".strip-shown")).to_be_hidden()
    assert audit_actions(study_id=case.study.pk).count("image.viewed") == 1

    press(page, ".")
    await_radiograph(page, case.monochrome1, "prior")
    expect(item(page, case.monochrome1).locator(".strip-shown")).to_be_visible()
    wait_until(
        lambda: audit_actions(study_id=case.study.pk).count("image.viewed") == 2,
        "the second image counted as viewed",
    )
    # Two views of a study have neither window nor place in common.
    expect(page.locator(".viewer-toolbar [data-action=link]")).to_be_disabled()
    before = state(page, "prior")
    press(page, "+", "Shift+Digit4")
    assert state(page, "prior") == before
    # An earlier study takes the place of the second image, and is linked.
    press(page, "c")
    await_radiograph(page, case.prior, "prior")
    expect(page.locator(".viewer-toolbar [data-action=link]")).to_be_enabled()
    page.get_by_role("button", name="Close the image on the right").click()
    expect(pane(page, "prior")).to_be_hidden()
