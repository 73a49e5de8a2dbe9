"""Measurements kept with the read, in a browser: drawn, kept, reloaded, signed."""

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import PASSWORD
from tests.e2e.browser import await_image
from tests.e2e.drawing.picture import await_draft, await_drawn_at, drag, drawn
from webportal.review.models import Read

# Keys of the tools, what is dragged from and to, and the value in pixels. An ellipse is
# drawn from its middle.
DRAGS = {
    "Length": ("d", (100, 150), (160, 230), 100),
    "Rectangle": ("b", (200, 300), (260, 400), 6000),
    "Ellipse": ("e", (300, 300), (340, 350), 6283),
}


def measure(page: Page, kind: str) -> None:
    key, start, end, _ = DRAGS[kind]
    page.keyboard.press(key)
    drag(page, start, end)


def kept(count: int) -> list[dict[str, object]]:
    """The measurements of the draft, once it holds so many."""
    return list(await_draft(lambda draft: len(draft.measurements) == count).measurements)


@pytest.mark.parametrize("kind", DRAGS)
def test_a_kept_measurement_has_the_value_shown_on_screen(page: Page, kind: str) -> None:
    measure(page, kind)
    keep = page.get_by_role("button", name=f"Keep with the read: {kind}")
    # Cornerstone measures again with the next frame, which rewrites the line.
    page.wait_for_function(
        "value => Math.abs(parseFloat(document.querySelector('.is-open small')?.textContent)"
        " - value) < 0.06 * value",
        arg=DRAGS[kind][3],
    )
    on_page = keep.locator("xpath=..").locator("small").inner_text()
    keep.click()
    [measurement] = kept(1)
    value = measurement["value"]
    assert isinstance(value, float)
    assert value == pytest.approx(DRAGS[kind][3], rel=0.06)
    assert float(on_page.split()[0]) == pytest.approx(value, rel=0.01)


def test_a_length_is_drawn_kept_reloaded_and_signed(page: Page) -> None:
    page.keyboard.press("3")
    measure(page, "Length")
    note = page.locator(".viewer-not-kept")
    expect(note).to_be_visible()
    expect(page.get_by_role("group", name="Measurements")).to_be_visible()
    page.get_by_role("button", name="Keep with the read: Length").click()
    # It is drawn by the read from now on, in place of what could still be moved.
    expect(note).to_be_hidden()
    expect(drawn(page, "text")).to_contain_text("px")
    [measurement] = kept(1)

    page.reload()
    await_image(page)
    await_drawn_at(page, "line", 100, 150)
    measure(page, "Rectangle")
    page.get_by_role("button", name="Keep with the read: Rectangle").click()
    kept(2)
    page.get_by_role("button", name="Remove the measurement: Rectangle").click()
    assert kept(1) == [measurement]

    page.keyboard.press("Enter")
    page.keyboard.type(PASSWORD)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("The read is signed.")).to_be_visible()
    await_image(page)
    assert Read.objects.get(state="signed").measurements == [measurement]
    expect(page.get_by_text("Length on image 1: ")).to_be_visible()
    expect(drawn(page, "text")).to_contain_text(" · ")
    page.keyboard.press("s")
    expect(drawn(page, "text")).to_have_count(0)
