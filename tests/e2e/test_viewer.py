"""The viewer in a browser: what each tool changes, on phantoms with a white mark.

Greys are read from screenshots: what counts is what a person sees.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.db import connections
from django.test import Client
from django.utils import timezone
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.e2e.browser import NO_WEBGL, WEBGL, chromium, launch
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from webportal.accounts.models import Role, User
from webportal.operations.phantoms import draw_phantom
from webportal.records.models import Radiograph, Study
from webportal.review.preferences import ReadingPreference

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 1000
PATIENCE = 90 * SECONDS
SPACING = 0.2
CELLS = 14
# The viewer draws without WebGL where a browser only imitates it, as the one of these tests does.
LIKE_A_GRAPHICS_CARD = """for (const kind of [WebGLRenderingContext, WebGL2RenderingContext]) {
    const ask = kind.prototype.getParameter;
    kind.prototype.getParameter = function (name) {
        return name === 0x9246 ? "A graphics card" : ask.call(this, name);
    };
}"""
# As on a busy machine: a new size of the panes is heard of after the pictures have arrived.
LATE_SIZES = """const Prompt = window.ResizeObserver;
window.ResizeObserver = class extends Prompt {
    constructor(hear) { super((...sizes) => setTimeout(() => hear(...sizes), 1500)); }
};"""
NEXT_FRAMES = "() => new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))"
MARKED_CELL = (3, 4)  # row and column of the heat map, where the picture has its white mark
WHITE, BRIGHTEST_PHANTOM = 4095, 2976
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A study of two images with a prior, and the study that comes next on the worklist."""

    study: Study
    plain: Radiograph
    monochrome1: Radiograph
    prior: Radiograph
    following: Radiograph


@pytest.fixture(scope="module", autouse=True)
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, where Django would not touch the database.
    with pytest.MonkeyPatch.context() as patch, chromium(*WEBGL) as browser:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield browser


@pytest.fixture
def browser_without_webgl(browser: Browser) -> Iterator[Browser]:
    without = launch(browser.browser_type, *NO_WEBGL)
    yield without
    without.close()


@pytest.fixture
def case() -> Case:
    now = timezone.now()
    patient = make_patient()
    study = make_study(patient=patient, performed_at=now, priority=0)
    cells = np.zeros((CELLS, CELLS), np.uint8)
    cells[MARKED_CELL] = 255
    plain = make_marked(study, "MONOCHROME2")
    make_prediction(
        plain,
        "likely",
        heatmap=cells.tobytes(),
        heatmap_rows=CELLS,
        heatmap_columns=CELLS,
    )
    monochrome1 = make_marked(study, "MONOCHROME1")
    earlier = make_study(patient=patient, performed_at=now - timedelta(days=210))
    Study.objects.filter(pk=earlier.pk).update(reading_state="signed")
    prior = make_marked(earlier, "MONOCHROME2", size=(500, 400))
    following = make_marked(make_study(priority=1), "MONOCHROME2")
    return Case(study, plain, monochrome1, prior, following)


def make_marked(study: Study, photometric: str, size: tuple[int, int] = (700, 700)) -> Radiograph:
    """A 12-bit phantom with a white square in the middle of MARKED_CELL."""
    greys = draw_phantom(1, size, opacity=False).astype(np.uint16) * 12
    assert greys.max() <= BRIGHTEST_PHANTOM
    rows, columns = size
    top, left = (
        round((cell + 0.25) * side / CELLS) for cell, side in zip(MARKED_CELL, size, strict=True)
    )
    greys[top : top + rows // CELLS // 2, left : left + columns // CELLS // 2] = WHITE
    if photometric == "MONOCHROME1":
        greys = WHITE - greys
    radiograph = make_radiograph(study, rows=rows, columns=columns, bits_stored=12)
    data = files.dicom(
        greys,
        12,
        PhotometricInterpretation=photometric,
        WindowCenter=2048,
        WindowWidth=4096,
        ImagerPixelSpacing=[SPACING, SPACING],
        PatientOrientation=["L", "F"],
    )
    with default_storage.open(radiograph.dicom_key, "wb") as file:
        file.write(data)
    return radiograph


@pytest.fixture
def reader(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST)


@pytest.fixture
def open_case(
    case: Case, reader: User, live_server: LiveServer, sign_in: Callable[[User], Client]
) -> Iterator[Callable[..., Page]]:
    """Open the study's page; the test fails when a script fails or the policy blocks something."""
    problems: list[str] = []
    pages: list[Page] = []

    def opened(browser: Browser, *scripts: str) -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": 1500, "height": 950}
        )
        session = sign_in(reader).cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        for script in scripts:
            context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.set_default_navigation_timeout(PATIENCE)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        pages.append(page)
        page.goto(f"/studies/{case.study.pk}")
        await_image(page, case.plain)
        return page

    yield opened
    for page in pages:
        page.context.close()
    connections.close_all()
    assert problems == []


@pytest.fixture
def page(open_case: Callable[..., Page], browser: Browser) -> Page:
    return open_case(browser, LIKE_A_GRAPHICS_CARD)


def pane(page: Page, name: str = "current") -> Locator:
    return page.locator(f'[data-pane="{name}"]')


def await_image(page: Page, radiograph: Radiograph, name: str = "current") -> None:
    locator = page.locator(f'[data-pane="{name}"][data-shown="{radiograph.pk}"]')
    expect(locator).to_be_visible(timeout=PATIENCE)
    await_drawing(page)


def await_drawing(page: Page) -> None:
    """Wait until every picture on the screen is what was last asked for."""
    page.evaluate(NEXT_FRAMES)  # what was pressed takes effect in one of them
    expect(page.locator("[data-shown]:not([data-drawn])")).to_have_count(0, timeout=PATIENCE)


def photograph(page: Page, name: str = "current") -> NDArray[np.int16]:
    """The pane as it is on the screen: rows × columns × RGB."""
    await_drawing(page)
    picture = pane(page, name).locator(".pane-view").screenshot()
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(np.int16)


def mark(picture: NDArray[np.int16]) -> tuple[float, float]:
    """Where the white mark is: x and y in pixels of the pane; nothing else there is as white."""
    return centre(picture.min(axis=2) >= 240)


def centre(mask: NDArray[np.bool_]) -> tuple[float, float]:
    assert mask.sum() > 20
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


def state(page: Page, name: str = "current") -> str:
    return pane(page, name).locator(".pane-state").inner_text()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    await_drawing(page)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], **options: Any) -> None:
    """Drag between two points of the current pane."""
    box = pane(page).locator(".pane-view").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down(**options)
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=5)
    page.mouse.up(**options)
    await_drawing(page)


def measurement(page: Page) -> str:
    """The text beside the only measurement, once it follows the mouse no more."""
    lines = pane(page).locator(".svg-layer text tspan")
    expect(lines.first).to_be_visible()
    before, now = "", " | ".join(lines.all_text_contents())
    while now != before:
        page.wait_for_timeout(SECONDS / 2)
        before, now = now, " | ".join(lines.all_text_contents())
    return now


def zoom(page: Page, name: str = "current") -> int:
    found = re.search(r"(\d+) %", state(page, name))
    assert found is not None
    return int(found[1])


def test_monochrome1_looks_like_monochrome2_and_still_after_a_reset(page: Page, case: Case) -> None:
    plain = photograph(page)
    assert page.locator(".viewer").get_attribute("data-rendering") == "gpu"
    press(page, "PageDown")
    await_image(page, case.monochrome1)
    first = photograph(page)
    body = (slice(200, -200), slice(250, -250))  # without what is written in the corners
    assert np.abs(first[body] - plain[body]).mean() < 3
    press(page, "i")
    inverted = photograph(page)
    assert np.abs(255 - inverted[body] - first[body]).mean() < 6
    press(page, "h", "r", "+", " ")
    assert np.abs(photograph(page)[body] - first[body]).mean() < 1
    press(page, "PageUp")
    await_image(page, case.plain)
    assert np.abs(photograph(page)[body] - plain[body]).mean() < 1


def test_windows_by_dragging_and_by_keys(page: Page) -> None:
    shown = pane(page).locator(".pane-state")
    as_sent = state(page)
    assert as_sent.startswith("W 4096 · L 2048")
    drag(page, (300, 300), (380, 340))
    expect(shown).not_to_have_text(as_sent)
    dragged = state(page)
    press(page, "Shift+Digit2")
    expect(shown).not_to_have_text(dragged)
    lungs = state(page)
    press(page, "Shift+Digit3")
    expect(shown).not_to_have_text(lungs)
    assert len({as_sent, dragged, lungs, state(page)}) == 4
    press(page, "Shift+Digit1")
    expect(shown).to_have_text(as_sent)
    press(page, "Shift+Digit4", " ")
    expect(shown).to_have_text(as_sent)
    page.get_by_role("button", name="Window", exact=True).click()
    page.get_by_role("button", name="Everything there is").click()
    expect(shown).not_to_have_text(as_sent)


def test_place_by_keys_wheel_and_dragging(page: Page) -> None:
    picture = photograph(page)
    height, width = picture.shape[:2]
    x, y = mark(picture)
    assert x < width / 2
    assert y < height / 2
    side = min(width, height)

    press(page, "h")
    assert mark(photograph(page)) == pytest.approx((width - x, y), abs=3)
    press(page, "v")
    assert mark(photograph(page)) == pytest.approx((width - x, height - y), abs=3)
    press(page, "h", "v", "r")
    turned = (width / 2 + (height / 2 - y), height / 2 + (x - width / 2))
    assert mark(photograph(page)) == pytest.approx(turned, abs=3)
    # What is flipped is what is seen, however the picture lies.
    press(page, "h")
    assert mark(photograph(page)) == pytest.approx((width - turned[0], turned[1]), abs=3)
    sides = [pane(page).locator(f".pane-side-{side}").inner_text() for side in ("top", "left")]
    assert sides == ["R", "H"]
    press(page, "h", "l")
    assert mark(photograph(page)) == pytest.approx((x, y), abs=2)

    fitted = zoom(page)
    press(page, "+", "+")
    assert zoom(page) == pytest.approx(fitted * 1.44, abs=2)
    further = mark(photograph(page))
    assert further[0] == pytest.approx(width / 2 + (x - width / 2) * 1.44, abs=4)
    press(page, "-", "-")
    assert zoom(page) == fitted
    press(page, "p")
    drag(page, (300, 300), (360, 340))
    assert mark(photograph(page)) == pytest.approx((x + 60, y + 40), abs=4)
    press(page, "=")
    assert mark(photograph(page)) == pytest.approx((x, y), abs=2)
    # The wheel keeps what is under the pointer.
    box = pane(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.wheel(0, -300)
    assert mark(photograph(page)) == pytest.approx((x, y), abs=4)
    assert zoom(page) > fitted
    press(page, " ", "z")
    drag(page, (side / 2, side / 2), (side / 2, side / 2 + 60))
    assert zoom(page) != fitted


def test_measurements(page: Page) -> None:
    picture = photograph(page)
    scale = picture.shape[0] / 700  # the picture is as high as the pane
    press(page, "d")
    drag(page, (300, 300), (500, 300))
    length = re.match(r"([\d.]+) mm at the detector", measurement(page))
    assert length is not None
    assert float(length[1]) == pytest.approx(200 / scale * SPACING, rel=0.02)
    expect(page.locator(".viewer-not-kept")).to_be_visible()
    press(page, "Backspace")
    expect(pane(page).locator(".svg-layer text")).to_have_count(0)

    x, y = mark(picture)
    half = 700 / CELLS / 4 * scale * 0.6
    # An ellipse is drawn from its middle.
    for key, start in (("b", (x - half, y - half)), ("e", (x, y))):
        press(page, key)
        drag(page, start, (x + half, y + half))
        assert measurement(page).startswith(f"mean {WHITE}.0 | SD 0.0")
        press(page, "x")
        expect(pane(page).locator(".svg-layer text")).to_have_count(0)

    press(page, "a")
    drag(page, (300, 400), (300, 500))
    box = pane(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 500, steps=4)
    page.mouse.click(box["x"] + 400, box["y"] + 500)
    assert float(measurement(page).rstrip("°")) == pytest.approx(90, abs=0.5)


def test_the_magnifying_glass_shows_what_is_under_it(page: Page) -> None:
    x, y = mark(photograph(page))
    lens = page.locator(".viewer-lens")
    expect(lens).to_be_hidden()
    press(page, "m")
    box = pane(page).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    expect(lens.locator("canvas")).to_be_visible()
    expect(lens).to_have_attribute("data-shown", re.compile(".+"), timeout=PATIENCE)
    page.mouse.move(box["x"] + x + 1, box["y"] + y)
    page.wait_for_timeout(SECONDS)
    magnified = np.asarray(Image.open(BytesIO(lens.screenshot())).convert("L"))
    middle = magnified[magnified.shape[0] // 2, magnified.shape[1] // 2]
    assert middle > 230
    page.mouse.up()
    expect(lens).to_be_hidden()


def assert_aligned(page: Page) -> None:
    """The heat map's only spot is where the picture has its white mark."""
    without = photograph(page)
    press(page, "o")
    expect(pane(page).locator(".pane-heatmap")).to_be_visible()
    pane(page).locator(".pane-heatmap").evaluate("image => image.decode()")
    # What the legend says changes the screen as well, and it may lie over the spot.
    page.locator(".viewer-legend").evaluate("legend => { legend.style.visibility = 'hidden' }")
    changed = np.abs(photograph(page) - without).max(axis=2) > 60
    press(page, "o")
    assert centre(changed) == pytest.approx(mark(without), abs=8)


def look_from_all_sides(page: Page) -> None:
    press(page, "o")
    page.locator("[data-heatmap-opacity]").fill("100")
    press(page, "o")
    assert_aligned(page)
    for keys in (["r"], ["h"], ["+", "+"], ["v", "l"]):
        press(page, *keys)
        assert_aligned(page)
    press(page, "p")
    drag(page, (500, 400), (560, 380))
    assert_aligned(page)


def test_the_heat_map_stays_where_it_belongs(page: Page) -> None:
    look_from_all_sides(page)


def test_the_heat_map_is_off_at_first_and_remembered(page: Page, case: Case) -> None:
    overlay = pane(page).locator(".pane-heatmap")
    expect(overlay).to_be_hidden()
    opacity = page.locator("[data-heatmap-opacity]")
    expect(opacity).to_have_value("30")
    press(page, "o")
    expect(overlay).to_be_visible()
    expect(page.get_by_text("a clear place is not a healthy one")).to_be_visible()
    opacity.fill("60")
    assert overlay.evaluate("image => getComputedStyle(image).opacity") == "0.6"
    page.reload()
    await_image(page, case.plain)
    expect(overlay).to_be_visible()
    expect(opacity).to_have_value("60")
    press(page, "PageDown")
    await_image(page, case.monochrome1)
    expect(overlay).to_be_hidden()
    expect(page.locator("[data-heatmap-switch]")).to_be_disabled()


def test_who_reads_first_sees_no_heat_map_before_opening_the_result(
    open_case: Callable[..., Page], browser: Browser, reader: User, case: Case
) -> None:
    ReadingPreference.objects.create(reader=reader, reads_first=True)
    page = open_case(browser)
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
    await_image(page, case.plain)
    expect(overlay).to_be_hidden()


def test_a_prior_is_laid_beside_and_linked_on_demand(page: Page, case: Case) -> None:
    expect(pane(page, "prior")).to_be_hidden()
    press(page, "+")
    page.get_by_role("button", name="Compare").click()
    await_image(page, case.prior, "prior")
    expect(pane(page, "prior").locator("option")).to_contain_text("7 months earlier")
    before = zoom(page, "prior")
    press(page, "+", "Shift+Digit4")
    assert zoom(page, "prior") == pytest.approx(before * 1.2, abs=2)
    windows = [state(page, name).split(" · ")[0] for name in ("current", "prior")]
    assert windows[0] == windows[1]
    press(page, "k")
    alone = state(page, "prior")
    press(page, "i", "+")
    assert state(page, "prior") == alone
    press(page, "ArrowRight", "r")
    expect(pane(page, "prior").locator(".pane-side-top")).to_have_text("R")
    expect(pane(page).locator(".pane-side-top")).to_have_text("H")
    press(page, "c")
    expect(pane(page, "prior")).to_be_hidden()
    viewed = audit_actions(study_id=case.prior.study_id)
    assert viewed == ["image.fetched", "image.viewed"]


def test_a_prior_is_fitted_also_when_it_arrives_before_its_pane_has_its_size(
    open_case: Callable[..., Page], browser: Browser, case: Case
) -> None:
    page = open_case(browser, LIKE_A_GRAPHICS_CARD, LATE_SIZES)
    page.wait_for_timeout(2 * SECONDS)
    press(page, "c")
    await_image(page, case.prior, "prior")
    page.wait_for_timeout(2 * SECONDS)
    shown = zoom(page, "prior")
    press(page, "ArrowRight", "=")
    assert zoom(page, "prior") == pytest.approx(shown, abs=1)


def test_the_tools_take_one_line_at_1280_pixels(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
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


def test_the_next_study_is_fetched_ahead_and_counts_as_seen_when_it_is(
    page: Page, case: Case
) -> None:
    following = case.following
    for _ in range(60):
        if audit_actions(study_id=following.study_id):
            break
        page.wait_for_timeout(SECONDS)
    assert audit_actions(study_id=following.study_id) == ["image.fetched"]
    page.wait_for_timeout(SECONDS)
    page.goto(f"/studies/{following.study_id}")
    await_image(page, following)
    for _ in range(60):
        if "image.viewed" in audit_actions(study_id=following.study_id):
            break
        page.wait_for_timeout(SECONDS)
    actions = audit_actions(study_id=following.study_id)
    assert actions.count("image.fetched") == 1
    assert actions.count("image.viewed") == 1


def test_without_webgl_the_viewer_shows_and_turns_the_image_all_the_same(
    open_case: Callable[[Browser], Page], browser_without_webgl: Browser, case: Case
) -> None:
    page = open_case(browser_without_webgl)
    assert page.locator(".viewer").get_attribute("data-rendering") == "cpu"
    look_from_all_sides(page)
    press(page, "d")
    drag(page, (300, 300), (500, 300))
    assert "mm at the detector" in measurement(page)
    press(page, "PageDown")
    await_image(page, case.monochrome1)
    mark(photograph(page))
    press(page, "i", " ")
    mark(photograph(page))
