"""Findings marked on the image, in a browser: by mouse, by keyboard, drafted and signed."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import PASSWORD
from tests.e2e.browser import await_image, wait_for_picture
from tests.e2e.drawing.picture import (
    COLUMNS,
    ROWS,
    await_draft,
    await_drawn_at,
    drag,
    drawn,
    on_screen,
)
from webportal.records.models import Radiograph
from webportal.review.models import Read

Marks = list[dict[str, Any]]
BOX = (100, 150, 200, 250)  # left, top, right, bottom in pixels of the image


def drag_box(page: Page) -> None:
    left, top, right, bottom = BOX
    drag(page, (left, top), (right, bottom))


def draft_marks(is_right: Callable[[Marks], object] = bool) -> Marks:
    """The marks of the draft, once it has been kept with what was done last."""
    return list(await_draft(lambda draft: is_right(draft.marks)).marks)


def test_a_box_is_drawn_drafted_signed_and_stays_with_the_image(
    page: Page, radiograph: Radiograph
) -> None:
    page.keyboard.press("3")
    page.keyboard.press("f")
    drag_box(page)
    expect(page.locator(".mark-place")).to_have_count(1)
    (mark,) = draft_marks()
    assert mark["radiograph"] == str(radiograph.pk)
    assert mark["finding"] == "pneumonia"
    left, top, right, bottom = BOX
    assert mark["column"] == pytest.approx(left, abs=2)
    assert mark["row"] == pytest.approx(top, abs=2)
    assert mark["width"] == pytest.approx(right - left, abs=3)
    assert mark["height"] == pytest.approx(bottom - top, abs=3)

    page.reload()
    await_image(page)
    await_drawn_at(page, "rect", left, top)
    expect(drawn(page, "text")).to_have_text("Pneumonia")
    # It is not a measurement, and it turns with the picture.
    expect(page.locator(".viewer-not-kept")).to_be_hidden()
    page.keyboard.press("x")
    page.keyboard.press("h")
    await_drawn_at(page, "rect", COLUMNS - right, top)
    page.keyboard.press("s")
    expect(drawn(page, "rect")).to_have_count(0)

    page.keyboard.press("Enter")
    page.keyboard.type(PASSWORD)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("The read is signed.")).to_be_visible()
    await_image(page)
    assert Read.objects.get(state="signed").marks == [mark]
    expect(drawn(page, "text")).to_contain_text("Pneumonia · ")
    expect(page.get_by_text("Pneumonia: box on image 1")).to_be_visible()
    expect(page.locator("[data-action=tool-mark]")).to_have_count(0)


def test_a_click_marks_the_finding_ticked_last_and_delete_removes_it(page: Page) -> None:
    page.keyboard.press("5")
    page.locator("[data-mark-tool]").click()
    page.mouse.click(*on_screen(page, 300.5, 400.5))
    (mark,) = draft_marks()
    assert (mark["finding"], mark["width"], mark["height"]) == ("effusion", 0, 0)
    assert (mark["column"], mark["row"]) == (
        pytest.approx(300, abs=2),
        pytest.approx(400, abs=2),
    )
    expect(drawn(page, "circle").first).to_be_visible()
    # Beside the picture there is nothing to mark.
    page.mouse.click(*on_screen(page, -40, 300))
    expect(page.locator(".mark-place")).to_have_count(1)
    page.get_by_role("button", name="Delete the mark").click()
    expect(page.locator(".mark-place")).to_have_count(0)
    expect(drawn(page, "circle")).to_have_count(0)
    draft_marks(lambda marks: not marks)


def test_the_finding_chosen_last_survives_a_reload(page: Page) -> None:
    finding = page.get_by_label("Finding to mark")
    finding.select_option("atelectasis")
    page.reload()
    expect(finding).to_have_value("atelectasis")
    wait_for_picture(page)
    page.keyboard.press("5")
    expect(finding).to_have_value("effusion")
    page.reload()
    expect(finding).to_have_value("effusion")


def test_a_mark_is_placed_moved_and_resized_with_the_keyboard(page: Page) -> None:
    page.get_by_label("Finding to mark").focus()
    page.keyboard.type("Pleural")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    place = page.locator(".mark-place")
    expect(place).to_be_focused()
    expect(page.locator("#finding-effusion")).to_be_checked()
    (mark,) = draft_marks()
    assert (mark["column"], mark["row"]) == (
        pytest.approx(COLUMNS / 2, abs=2),
        pytest.approx(ROWS / 2, abs=2),
    )
    for key in ("ArrowUp", "ArrowLeft", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(place).to_contain_text("×")
    (moved,) = draft_marks(lambda marks: marks[0]["height"] > 1)
    assert moved["column"] < mark["column"]
    assert moved["row"] < mark["row"]
    assert moved["width"] > 1
    page.keyboard.press("Delete")
    expect(place).to_have_count(0)


def test_a_gesture_that_never_ended_adds_no_second_mark(page: Page) -> None:
    page.keyboard.press("f")
    left, top, right, bottom = BOX
    page.mouse.move(*on_screen(page, left, top))
    page.mouse.down()
    # The browser reports a new press although it has not reported the end of the first.
    page.locator("[data-pane=current] canvas").first.dispatch_event(
        "pointerdown", {"pointerId": 1, "isPrimary": True, "button": 0, "bubbles": True}
    )
    page.mouse.move(*on_screen(page, right, bottom), steps=4)
    page.mouse.up()
    expect(page.locator(".mark-place")).to_have_count(1)
    page.locator("[data-action=tool-window]").click()
    drag_box(page)
    expect(page.locator(".mark-place")).to_have_count(1)
