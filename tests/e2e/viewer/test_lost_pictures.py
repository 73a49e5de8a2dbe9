"""The screen matches the page when images arrive late or the graphics context is lost."""

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests import dicom_files as files
from tests.e2e.browser import WEBGL
from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import (
    LIKE_A_GRAPHICS_CARD,
    await_radiograph,
    mark,
    pane,
    photograph,
)
from tests.factories import replace_file
from webportal.records.models import Radiograph
from webportal.review.models import ImageView

pytestmark = pytest.mark.django_db(transaction=True)

KEEP_CONTEXTS = """
    window.contexts = [];
    const give = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        const context = give.call(this, kind, ...more);
        if (context && kind.startsWith("webgl")) window.contexts.push(context);
        return context;
    };
"""
LOSE_CONTEXTS = """() => {
    for (const context of new Set(window.contexts)) {
        if (!context.isContextLost()) context.getExtension("WEBGL_lose_context").loseContext();
    }
}"""
ARE_INERT = "parts => parts.every(part => part.inert)"


def choose(page: Page, radiograph: Radiograph) -> None:
    page.locator(f'[data-image][value="{radiograph.pk}"]').evaluate("choice => choice.click()")


@pytest.mark.parametrize("script", ["", LIKE_A_GRAPHICS_CARD], ids=["processor", "graphics card"])
def test_a_late_image_is_not_drawn_over_the_one_selected_since(
    script: str, case: Case, open_case: Callable[..., Page]
) -> None:
    late = case.monochrome1
    replace_file(late, files.dicom(np.full((700, 700), 100, np.uint8)))
    hold = f"""() => {{
        const bring = window.fetch;
        window.held = new Promise(resolve => {{ window.release = resolve; }});
        window.fetch = async (address, ...more) => {{
            if (String(address).includes("{late.pk}") && String(address).endsWith("/pixels"))
                await window.held;
            return bring(address, ...more);
        }};
    }}"""
    page = open_case(WEBGL, script, f"({hold})()")
    choose(page, late)
    expect(pane(page).locator(".pane-message")).to_contain_text("Loading the image")
    choose(page, case.plain)
    await_radiograph(page, case.plain)
    before = mark(photograph(page))
    with page.expect_response(lambda answer: f"{late.pk}" in answer.url):
        page.evaluate("() => window.release()")
    small = page.locator(f'[data-strip="{late.pk}"] canvas')
    page.wait_for_function(
        "c => c.getContext('2d').getImageData(0, 0, 9, 9).data[3] === 255",
        arg=small.element_handle(),
    )
    assert mark(photograph(page)) == before
    assert not ImageView.objects.filter(radiograph=late).exists()


def test_reading_and_navigation_are_blocked_once_the_graphics_context_is_lost(
    case: Case, open_case: Callable[..., Page]
) -> None:
    page = open_case(WEBGL, LIKE_A_GRAPHICS_CARD, KEEP_CONTEXTS)
    findings = page.locator("form[data-read] [data-needs-picture]")
    assert not findings.evaluate_all(ARE_INERT)
    page.evaluate(LOSE_CONTEXTS)
    expect(pane(page).locator(".pane-message")).to_contain_text("lost the graphics card")
    assert findings.evaluate_all(ARE_INERT)
    expect(page.get_by_role("button", name="Sign", exact=True)).to_be_disabled()
    # The picture that is left on the screen would not turn, whatever the badge said.
    page.keyboard.press("h")
    expect(pane(page).locator(".pane-view")).to_be_hidden()
    expect(pane(page).locator(".pane-badges")).to_be_hidden()
    # The next study is drawn, in a document of its own.
    page.keyboard.press("n")
    await_radiograph(page, case.following)
    mark(photograph(page))
    assert ImageView.objects.filter(radiograph=case.following).exists()
