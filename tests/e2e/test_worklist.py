"""The worklist in a browser: keys, stable live updates, columns, views, bulk actions."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import NO_WEBGL, page_of
from tests.factories import make_job, make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.inference.models import Job, Prediction
from webportal.records.models import Study
from webportal.review.worklist.columns import COLUMNS, remember_columns

pytestmark = pytest.mark.django_db(transaction=True)

# Longer than the list waits after the last touch before its rows move again, and than a poll.
CALM = 15_000
POLL = 4_500
SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifts.push(entry.value);
  }).observe({ type: "layout-shift" });
}"""


@pytest.fixture
def reader(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, Role.COORDINATOR, username="reader")


@pytest.fixture
def page(
    live_server: LiveServer,
    reader: User,
    sign_in: Callable[[User], Client],
) -> Iterator[Page]:
    """A page of a radiologist whose clock the test moves; it fails when a script does."""
    size = {"width": 1280, "height": 800}
    with page_of(sign_in(reader), live_server, *NO_WEBGL, own=True, viewport=size) as page:
        page.clock.install()
        yield page


def study_of(name: str, category: str = "", **fields: Any) -> Study:
    radiograph = make_radiograph(make_study(patient=make_patient(name=name), **fields))
    if category:
        make_prediction(radiograph, category)
    return radiograph.study


def names(page: Page) -> list[str]:
    return page.locator("#worklist .patient-name").all_inner_texts()


def test_keys_move_select_search_and_open(page: Page) -> None:
    studies = [study_of(f"Number^{letter}", "likely") for letter in "ABC"]
    page.goto("/worklist")
    for key, at in (("j", 0), ("j", 1), ("ArrowDown", 2), ("j", 2), ("k", 1), ("ArrowUp", 0)):
        page.keyboard.press(key)
        expect(page.locator(f"#open-{studies[at].pk}")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_be_visible()
    expect(page.locator("#bulk [data-selected-count]")).to_have_text("1 study selected")
    page.keyboard.press("Escape")
    expect(page.locator("#bulk")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("number b")
    page.keyboard.press("Enter")
    expect(page.locator(".worklist-row")).to_have_count(1)
    assert "number" not in page.url.lower()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/studies/{studies[1].pk}")


def test_an_arriving_result_moves_nothing(page: Page) -> None:
    first = study_of("First^One", "likely")
    waiting = study_of("Second^One")
    make_job(waiting.radiographs.get(), "running")
    page.goto("/worklist")
    expect(page.locator(f"#row-{waiting.pk}")).to_contain_text("Being analysed")
    page.evaluate(SHIFTS)
    Job.objects.filter(state="running").update(
        state="done", leased_until=None, finished_at="2026-01-01T00:00Z"
    )
    make_prediction(waiting.radiographs.get(), "not_assessable")
    page.clock.run_for(POLL)
    expect(page.locator(f"#row-{waiting.pk}")).to_contain_text("Not assessable")
    expect(page.locator("#worklist-counts")).to_contain_text("0 without a result")
    assert names(page) == ["First, One", "Second, One"]
    assert page.evaluate("window.shifts") == []
    first.refresh_from_db()


def test_rows_stay_in_place_while_in_use_and_move_afterwards(page: Page) -> None:
    gone, kept = study_of("Gone^Soon", "likely"), study_of("Kept^Here", "unlikely")
    page.goto("/worklist")
    page.locator(f"#row-{kept.pk}").hover()
    page.evaluate(SHIFTS)
    Study.objects.filter(pk=gone.pk).update(reading_state="signed")
    study_of("New^Come", "likely", priority=0)
    page.clock.run_for(POLL)
    expect(page.get_by_role("button", name="The list has changed")).to_be_visible()
    assert names(page) == ["Gone, Soon", "Kept, Here"]
    assert page.evaluate("window.shifts") == []
    page.mouse.move(5, 5)
    page.clock.run_for(CALM)
    expect(page.locator(".patient-name").first).to_have_text("New, Come")
    expect(page.get_by_role("button", name="The list has changed")).to_be_hidden()
    assert names(page) == ["New, Come", "Kept, Here"]


def test_a_selection_survives_updates(page: Page) -> None:
    chosen, other = study_of("Chosen^One", "likely"), study_of("Other^One", "likely")
    page.goto("/worklist")
    page.locator(f"#select-{chosen.pk}").check()
    study_of("New^Come", "likely", priority=0)
    page.clock.run_for(CALM)
    expect(page.get_by_role("button", name="The list has changed")).to_be_visible()
    expect(page.locator(f"#select-{chosen.pk}")).to_be_checked()
    expect(page.locator(f"#select-{other.pk}")).not_to_be_checked()
    page.get_by_role("button", name="The list has changed").click()
    expect(page.locator(".worklist-row")).to_have_count(3)


def test_the_refreshed_list_receives_the_focus(page: Page) -> None:
    old = study_of("Old^One", "likely")
    page.goto("/worklist")
    page.locator(f"#open-{old.pk}").focus()
    new = study_of("New^Come", "likely", priority=0)
    page.clock.run_for(POLL)
    page.get_by_role("button", name="The list has changed").press("Enter")
    expect(page.get_by_role("button", name="The list has changed")).to_be_hidden()
    expect(page.locator(f"#open-{new.pk}")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator(f"#open-{old.pk}")).to_be_focused()


def test_bulk_actions_with_their_result(page: Page, reader: User) -> None:
    studies = [study_of(f"Number^{letter}", "likely") for letter in "ABC"]
    page.goto("/worklist")
    page.locator("#select-page").check()
    page.locator(f"#select-{studies[2].pk}").uncheck()
    expect(page.locator("#bulk [data-selected-count]")).to_have_text("2 studies selected")
    page.locator("#bulk").get_by_label("Reader").select_option(str(reader.pk))
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.locator("#bulk-changed")).to_have_text("2 studies were changed.")
    page.get_by_role("link", name="Back to the worklist").click()
    expect(page.locator("#worklist-counts")).to_contain_text("2 assigned to me")
    page.get_by_role("link", name="2 assigned to me").click()
    expect(page.locator(".worklist-row")).to_have_count(2)
    assert "assigned=me" in page.url

    page.locator(f"#select-{studies[0].pk}").check()
    page.locator("#bulk").get_by_label("Which studies").select_option("all")
    page.locator("#bulk").get_by_label("Priority").select_option("0")
    page.get_by_role("button", name="Change the priority").click()
    expect(page.get_by_text("2 studies match now")).to_be_visible()
    page.get_by_role("button", name="Change 2 studies").click()
    expect(page.locator("#bulk-changed")).to_have_text("2 studies were changed.")
    assert Study.objects.filter(priority=0).count() == 2


def test_an_incomplete_action_keeps_the_selection(page: Page, reader: User) -> None:
    study = study_of("Number^A", "likely")
    page.goto("/worklist")
    page.locator(f"#select-{study.pk}").check()
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.locator("#bulk").get_by_label("Reader")).to_be_focused()
    expect(page.locator(f"#select-{study.pk}")).to_be_checked()
    # What another action needs is not asked for.
    page.locator("#bulk").get_by_label("Priority").select_option("0")
    page.get_by_role("button", name="Change the priority").click()
    expect(page.locator("#bulk-changed")).to_have_text("1 study was changed.")


def test_columns_filters_and_views(page: Page) -> None:
    study_of("Likely^One", "likely", accession_number="ACC-1")
    study_of("Unlikely^One", "unlikely")
    page.goto("/worklist")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Accession no.").uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="Accession no.")).to_have_count(0)
    page.get_by_label("Result", exact=True).select_option("likely")
    expect(page.locator(".worklist-row")).to_have_count(1)
    assert "category=likely" in page.url
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Save what is shown now as").fill("Night")
    page.get_by_role("button", name="Save the view").click()
    expect(page.get_by_role("heading", name="Night")).to_be_visible()
    page.goto("/worklist")
    expect(page.locator(".worklist-row")).to_have_count(2)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("link", name="Night", exact=True).click()
    expect(page.locator(".worklist-row")).to_have_count(1)
    # Back, and the filters can be used again.
    page.go_back()
    page.get_by_label("Result", exact=True).select_option("unlikely")
    expect(page.locator(".patient-name")).to_have_text("Unlikely, One")


def headings(page: Page) -> list[str]:
    return page.locator("th[data-column]").all_inner_texts()


def pull(page: Page, heading: str, onto: str) -> None:
    """Pull a heading with the mouse to where the left part of another one is."""
    boxes = [page.locator(f"th[data-column={name}]").bounding_box() for name in (heading, onto)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    page.mouse.move(boxes[0]["x"] + boxes[0]["width"] / 2, boxes[0]["y"] + 10)
    page.mouse.down()
    page.mouse.move(boxes[1]["x"] + 5, boxes[1]["y"] + 12, steps=8)


def test_with_every_column_each_can_be_read(page: Page, reader: User) -> None:
    study_of("Phantom^A", indication="Cough for three days")
    remember_columns(reader, COLUMNS)
    page.goto("/worklist")
    expect(page.locator("th[data-column]")).to_have_count(len(COLUMNS))
    widths = page.locator("th[data-column]").evaluate_all(
        "all => all.map((each) => each.getBoundingClientRect().width)"
    )
    assert min(widths) > 60


def test_a_column_is_moved_by_dragging_its_heading(page: Page) -> None:
    study_of("Likely^One", "likely", accession_number="ACC-1")
    page.goto("/worklist")
    usual = headings(page)
    # Escape lets it be, and so does letting it go where it was.
    pull(page, "patient", "priority")
    expect(page.locator("th.takes-before")).to_have_count(1)
    page.keyboard.press("Escape")
    page.mouse.up()
    pull(page, "patient", "patient")
    page.mouse.up()
    assert headings(page) == usual
    with page.expect_response("**/worklist/columns") as kept:
        pull(page, "patient", "priority")
        page.mouse.up()
    assert kept.value.status == 204
    moved = ["Patient", *usual[:2], *usual[3:]]
    assert headings(page) == moved
    assert "order" not in page.url
    first = page.locator(".worklist-row td").nth(1)
    expect(first).to_contain_text("Likely, One")
    page.reload()
    assert headings(page) == moved
    # A click still sorts.
    page.get_by_role("link", name="Patient", exact=True).click()
    page.wait_for_url("**order=name**")
    assert headings(page)[0] == "Patient"


def test_columns_move_by_keyboard_and_back(page: Page) -> None:
    study_of("Likely^One", "likely")
    page.goto("/worklist")
    usual = headings(page)
    page.get_by_role("button", name="Columns").press("Enter")
    later = page.get_by_role("button", name="Move Priority later")
    later.focus()
    page.keyboard.press("Enter")
    expect(later).to_be_focused()
    expect(page.locator("[data-column-moved]")).to_have_text("Priority is now number 2")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Move Images earlier").press("Enter")
    page.get_by_role("button", name="Show these").press("Enter")
    page.wait_for_load_state()
    expect(page.locator("th[data-column]").first).to_have_text("Model result")
    assert headings(page)[:3] == ["Model result", "Patient", "Priority"]
    assert headings(page).index("Images") == usual.index("Images") - 1
    page.get_by_role("button", name="Columns").press("Enter")
    page.get_by_role("button", name="Default columns").press("Enter")
    expect(page.locator("th[data-column]").first).to_have_text("Priority")
    assert headings(page) == usual


def test_the_headings_of_all_are_whole_on_a_small_screen(page: Page) -> None:
    study_of("Phantom^Anna", indication="Cough")
    page.goto("/worklist?state=all")
    headings = page.locator("#worklist th:visible")
    expect(headings.filter(has_text="Indication")).to_be_visible()
    cut_off = "all => all.filter((each) => each.scrollWidth > each.clientWidth).length"
    assert headings.evaluate_all(cut_off) == 0


@pytest.mark.parametrize("width", [820, 1280, 2560])
def test_the_page_fits_the_screen(page: Page, width: int) -> None:
    for number in range(5):
        study_of(f"A very long family name {number}^And a long given one", "likely")
    page.set_viewport_size({"width": width, "height": 1100})
    page.goto("/worklist")
    expect(page.locator(".worklist-row")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("#select-page").check()
    bar = page.locator("#bulk").bounding_box()
    assert bar is not None
    assert bar["x"] >= 0
    assert bar["x"] + bar["width"] <= width


@pytest.mark.parametrize("width", [820, 1280, 1920])
def test_a_result_is_not_cut_off(page: Page, width: int) -> None:
    study = study_of("Rai^Asha", "likely")
    Prediction.objects.filter(radiograph__study=study).update(probability=0.999)
    Study.objects.filter(pk=study.pk).update(probability=0.999)
    page.set_viewport_size({"width": width, "height": 1100})
    page.goto("/worklist")
    result = page.locator("td.col-result")
    expect(result).to_contain_text("> 99")
    assert result.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
