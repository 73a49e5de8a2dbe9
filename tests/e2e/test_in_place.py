"""Studies and the worklist are swapped in place, without a new document."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Dialog, Page, Request, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, WEBGL, context_of, note_complaints, page_kept
from tests.e2e.viewer.pane import LIKE_A_GRAPHICS_CARD
from tests.factories import (
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
    replace_file,
)
from tests.helpers import audit_actions
from webportal.accounts.models import Session, User
from webportal.records.models import Study
from webportal.review.models import Read, Reservation

pytestmark = pytest.mark.django_db(transaction=True)

SIDE = 300
# What is on the screen in each frame, before and after it is drawn: whose panel, whose picture.
WATCH = """
window.frames_seen = [];
const look = () => {
    const canvas = document.querySelector("[data-pane=current] canvas");
    const isSeen = canvas?.width && canvas.checkVisibility({ visibilityProperty: true });
    const middle = isSeen && canvas.getContext("2d")
        .getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    const corner = document.querySelector("[data-pane=current] .pane-patient");
    const isRead = corner?.checkVisibility({ visibilityProperty: true });
    const now = {
        name: document.querySelector("main[data-swap=study] h1")?.textContent ?? "",
        form: document.querySelector("form[data-read]")?.getAttribute("action") ?? "",
        corner: (isRead && corner.firstElementChild?.textContent) || "",
        grey: middle ? middle[0] : 0,
    };
    if (JSON.stringify(now) !== JSON.stringify(window.frames_seen.at(-1))) {
        window.frames_seen.push(now);
    }
};
const frame = () => { look(); setTimeout(look); requestAnimationFrame(frame); };
requestAnimationFrame(frame);
"""


@dataclass(frozen=True)
class Case:
    """A study whose picture is of one grey throughout, and its patient's name."""

    study: Study
    name: str
    grey: int

    @property
    def address(self) -> str:
        return f"/studies/{self.study.pk}"


@pytest.fixture
def cases(transactional_db: None) -> list[Case]:
    """Three studies in the order in which 'next' gives them."""
    return [make_case(*each) for each in (("Ada", 60, 0), ("Bea", 130, 1), ("Cid", 220, 2))]


def make_case(name: str, grey: int, priority: int) -> Case:
    study = make_study(patient=make_patient(name=f"{name}^Phantom"), priority=priority)
    radiograph = make_radiograph(study, (SIDE, SIDE))
    data = files.dicom(
        np.full((SIDE, SIDE), grey * 16, np.uint16), 12, WindowCenter=2048, WindowWidth=4096
    )
    replace_file(radiograph, data)
    make_prediction(radiograph, "unlikely")
    return Case(study, name, grey)


@pytest.fixture(params=["cpu", "webgl"])
def way(request: pytest.FixtureRequest) -> str:
    """Whether the processor draws or WebGL does."""
    return str(request.param)


@pytest.fixture
def context(
    cases: list[Case],
    radiologist: User,
    live_server: LiveServer,
    sign_in: Callable[[User], Client],
    request: pytest.FixtureRequest,
) -> Iterator[BrowserContext]:
    way = request.getfixturevalue("way") if "way" in request.fixturenames else "cpu"
    size = {"width": 1280, "height": 800}
    arguments = WEBGL if way == "webgl" else NO_WEBGL
    client = sign_in(radiologist)
    # Without WebGL the first changes nothing.
    scripts = (LIKE_A_GRAPHICS_CARD, WATCH)
    with context_of(client, live_server, *arguments, scripts=scripts, viewport=size) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """The worklist, from which studies open in place; scripts must not fail on the way."""
    page = page_kept(context)
    problems: list[str] = []
    stop = note_complaints(page, problems)
    page.goto("/worklist")
    expect(page.locator("html[data-opens=in-place]")).to_be_visible()
    page.evaluate("window.isSameDocument = true")
    yield page
    stop()
    refused = "Failed to load resource"
    assert [each for each in problems if refused not in each] == []


def expect_case(page: Page, case: Case) -> None:
    """Wait until a study is there with its picture, in the document in which the test began."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(case.name)
    expect(page.locator("[data-pane=current][data-shown][data-drawn]")).to_be_visible()
    assert page.evaluate("location.pathname") == case.address
    assert page.evaluate("window.isSameDocument") is True


def assert_nobody_was_mixed_up(page: Page, cases: list[Case]) -> None:
    """In no frame was there anything of one study beside anything of another."""
    frames = page.evaluate("window.frames_seen")
    shown = set()
    for frame in frames:
        whose = {each.name for each in cases if each.name in frame["name"]}
        whose |= {each.name for each in cases if each.name in frame["corner"]}
        whose |= {each.name for each in cases if f"{each.address}/" in frame["form"]}
        pictured = {each.name for each in cases if abs(each.grey - frame["grey"]) < 12}
        assert len(whose | pictured) <= 1, (frame, frames)
        assert frame["grey"] == 0 or pictured, frame
        shown |= pictured
    # What was looked at was really there to be seen.
    assert shown == {each.name for each in cases}


def walk(page: Page, cases: list[Case]) -> None:
    """Open the first study, leave it unread, sign the next, and go back through the history."""
    first, second, third = cases
    page.keyboard.press("n")
    expect_case(page, first)
    page.keyboard.press("n")
    expect_case(page, second)
    page.keyboard.press("1")
    page.locator("input[name=password]").fill(PASSWORD)
    # Enter signs nothing until the portal has noted that the image was seen.
    expect(page.locator("[data-read] [data-signs]").first).to_be_enabled()
    page.locator("input[name=password]").press("Enter")
    # Below the second is the third, but the first is more urgent again.
    expect_case(page, first)
    page.keyboard.press("n")
    expect_case(page, third)
    page.go_back()
    expect_case(page, first)


def test_no_image_is_ever_beside_another_studys_panel(
    page: Page, cases: list[Case], way: str
) -> None:
    walk(page, cases)
    assert page.locator(".viewer").get_attribute("data-rendering") == {"webgl": "gpu"}.get(way, way)
    assert_nobody_was_mixed_up(page, cases)


def test_no_image_is_beside_another_studys_panel_on_a_slow_network(
    page: Page, cases: list[Case]
) -> None:
    def slowly(route: Route) -> None:
        time.sleep(1.2)  # what a network takes, and nothing is waited for
        route.continue_()

    for slow in ("**/pixels", "**/studies/*", "**/worklist/next", "**/sign"):
        page.route(slow, slowly)
    walk(page, cases)
    assert_nobody_was_mixed_up(page, cases)


def test_history_and_reload_open_each_study_at_its_own_url(page: Page, cases: list[Case]) -> None:
    first, second, _ = cases
    page.locator(f"#row-{first.study.pk} a.stretched-link").click()
    expect_case(page, first)
    page.keyboard.press("n")
    expect_case(page, second)
    page.go_back()
    expect_case(page, first)
    page.go_back()
    page.wait_for_url("**/worklist")
    expect(page.locator(f"#row-{first.study.pk} a.stretched-link")).to_be_focused()
    page.go_forward()
    page.go_forward()
    expect_case(page, second)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text(second.name)
    assert page.evaluate("location.pathname") == second.address


def test_the_next_studys_heading_is_focused_and_keys_work_at_once(
    page: Page, cases: list[Case]
) -> None:
    first, second, _ = cases
    page.keyboard.press("n")
    expect_case(page, first)
    expect(page).to_have_title("Study · Chestline")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("n")
    expect_case(page, second)
    zoom = page.locator("[data-pane=current] .pane-zoom")
    fitted = int(zoom.inner_text().split()[0])
    # Once, although a viewer was there before.
    page.keyboard.press("+")
    expect(zoom).not_to_have_text(f"{fitted} %")
    assert int(zoom.inner_text().split()[0]) == pytest.approx(fitted * 1.2, abs=2)
    page.keyboard.press(" ")
    expect(zoom).to_have_text(f"{fitted} %")


def test_requests_of_a_study_page_end_with_it(
    page: Page, cases: list[Case], radiologist: User
) -> None:
    first, second, _ = cases
    page.keyboard.press("n")
    expect_case(page, first)
    page.keyboard.press("n")
    expect_case(page, second)
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    # However slow the machine, the first study would have asked by then: the interval is the same.
    for _ in range(3):
        page.wait_for_event("request", lambda each: f"{second.address}/status" in each.url)
    page.remove_listener("request", note)
    assert [each for each in asked if first.address in each] == []
    assert Reservation.objects.get().study == second.study
    viewed = audit_actions(study_id=first.study.pk)
    assert viewed.count("image.viewed") == 1


def test_typed_text_is_saved_before_the_next_study_opens(page: Page, cases: list[Case]) -> None:
    first, second, _ = cases
    page.keyboard.press("n")
    expect_case(page, first)
    page.get_by_label("Impression").press_sequentially("Right base.")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect_case(page, second)
    assert Read.objects.get().comment == "Right base."
    assert Read.objects.get().study == first.study


def test_leaving_a_page_with_unsaved_text_asks_first(page: Page, cases: list[Case]) -> None:
    first, second, _ = cases
    page.keyboard.press("n")
    expect_case(page, first)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.route("**/draft", lambda route: route.fulfill(status=503))
    page.get_by_label("Impression").press_sequentially("Right base.")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator("#draft-state")).to_contain_text("is not responding")
    page.wait_for_function("() => !document.querySelector('main').inert")
    expect(page.get_by_label("Impression")).to_have_value("Right base.")
    # The next try at saving asks nobody.
    page.wait_for_event("response", lambda answer: answer.url.endswith("/draft"))
    assert asked == ["beforeunload"]
    page.unroute("**/draft")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect_case(page, second)


def test_an_expired_session_leads_to_the_sign_in_page(page: Page, cases: list[Case]) -> None:
    page.keyboard.press("n")
    expect_case(page, cases[0])
    Session.objects.all().delete()
    page.keyboard.press("n")
    page.wait_for_url("**/sign-in?**")
    expect(page.get_by_label("User name")).to_be_visible()


def test_an_error_is_shown_as_a_full_page(page: Page, cases: list[Case]) -> None:
    first = cases[0]
    page.route(f"**{first.address}", lambda route: route.fulfill(status=500, body="It is broken."))
    page.locator(f"#row-{first.study.pk} a.stretched-link").click()
    expect(page.get_by_text("It is broken.")).to_be_visible()
    assert page.evaluate("location.pathname") == first.address


def test_a_refused_signature_stays_on_the_study(page: Page, cases: list[Case]) -> None:
    first = cases[0]
    page.keyboard.press("n")
    expect_case(page, first)
    page.keyboard.press("3")
    page.locator("input[name=password]").fill("wrong")
    page.locator("input[name=password]").press("Enter")
    expect(page.get_by_text("Nothing is signed; your text is kept")).to_be_visible()
    expect_case(page, first)
    expect(page.get_by_label("Definite pneumonia")).to_be_checked()
    expect(page.locator("input[name=password]")).to_be_focused()
    assert not Read.objects.filter(state="signed").exists()
