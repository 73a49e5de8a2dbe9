"""The tools of the viewer as a bar of buttons and as keys."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.viewer.case import Case
from tests.e2e.viewer.pane import await_radiograph, press, state

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("language", ["en", "ne"])
def test_the_tools_take_one_line_at_1280_pixels(page: Page, case: Case, language: str) -> None:
    page.context.add_cookies([{"name": "django_language", "value": language, "url": page.url}])
    page.set_viewport_size({"width": 1280, "height": 800})
    page.reload()
    await_radiograph(page, case.plain)
    toolbar = page.locator(".viewer-toolbar")
    tops = toolbar.evaluate(
        "e => [...e.querySelectorAll('button, input')].filter(b => b.offsetParent)"
        ".map(b => b.getBoundingClientRect()).map(r => (r.top + r.bottom) / 2)"
    )
    assert len(tops) > 15
    assert max(tops) - min(tops) < 10


def test_all_keys_are_listed(page: Page) -> None:
    dialog = page.get_by_role("dialog", name="Keys of the viewer")
    press(page, "?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("Flip left and right")).to_be_visible()
    before = state(page)
    press(page, "+")
    assert state(page) == before
    press(page, "Escape")
    expect(dialog).to_be_hidden()
    # Keys of the viewer are letters like any other where a person types.
    page.locator("textarea").first.fill("")
    page.locator("textarea").first.press_sequentially("+ h")
    assert state(page) == before
