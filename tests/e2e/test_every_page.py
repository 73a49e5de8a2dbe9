"""Every page for everybody who may open it: WCAG 2.2 AA, screens and tablets, security policy.

The addresses are those of the table in tests/roles.py, which is complete: an address is either
a page here or named as none.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connections
from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    WebError,
    expect,
)
from pytest_django.plugin import DjangoDbBlocker

from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, TWO_FRAMES, shared_chromium
from tests.e2e.portal import Portal, filled_portal
from tests.e2e.system import ROOT
from tests.factories import make_prediction, make_radiograph, make_study
from tests.roles import TABLE
from webportal.accounts.models import Role
from webportal.inference.models import Job
from webportal.records.models import Study
from webportal.review.models import Read

# Each test's own transaction is rolled back; what the portal shows was committed before it.
pytestmark = pytest.mark.django_db

AXE = ROOT / "webportal" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
CHECKS = Path(__file__).with_name("page_checks.js")
PATIENCE = 120_000  # milliseconds
MOST_SHIFT = 0.1  # what Web Vitals call good
LONGEST_LINE = 130  # characters
SIZE: ViewportSize = {"width": 1280, "height": 800}
SCREENS = [(1280, 800), (1024, 768), (768, 1024), (2560, 1440)]
# Each person's pages; the coordinator's are those of the radiologist, who has both roles here.
# The portal's radiologist is the coordinator too.
ROLES: list[Role] = [role for role in Role if role != Role.COORDINATOR]

# What comes after the address, where the bare page has little to show.
QUERIES = {
    "operations/capacity": (
        "?studies_per_hour=200&images_per_study=1.3&within=60&percentile=95&portals=1&profile=flat"
    ),
    "operations/jobs": "?change=release&reason=worker_lost",
    "models/compare": "?first={active_id}&second={model_id}",
    "studies/<uuid:study_id>/patient": "?to={other_patient_id}",
}
OF_SIGNED = {"studies/<uuid:study_id>/report"}
# Responses to GET that are not pages: files, pictures, parts of pages, redirects, JSON.
NO_PAGES = {
    "",
    # Opens after a password (test_passkeys.py).
    "sign-in/second-step",
    # Leave for the identity provider.
    "sign-in/provider",
    "sign-in/provider/callback",
    "sign-in/saml",
    "sign-in/saml/logout",
    "sign-in/saml/metadata",
    "audit/verification",
    "uploads/sheet.csv",
    "uploads/held/<uuid:item_id>/image.png",
    "uploads/<uuid:batch_id>/status",
    "uploads/<uuid:batch_id>/received",
    "uploads/<uuid:batch_id>/results.csv",
    "uploads/<uuid:batch_id>/results.pdf",
    "studies/<uuid:study_id>/report.pdf",
    "erasures/<uuid:erasure_id>/certificate",
    "research/<uuid:export_id>.zip",
    "studies/<uuid:study_id>/report/key-image.png",
    "notifications/badge",
    "notifications/<uuid:notification_id>",
    "studies/<uuid:study_id>/status",
    "studies/<uuid:study_id>/ahead",
    "radiographs/<uuid:radiograph_id>/v2/pixels",
    "radiographs/<uuid:radiograph_id>/image.png",
    "radiographs/<uuid:radiograph_id>/original",
    "predictions/<uuid:prediction_id>/heatmap.png",
    "heatmap-legend.png",
    "models/<uuid:model_id>/plots/<slug:plot_name>.png",
    "audit/export",
    "access-log/export/<str:file_format>",
    "metrics",
    "health/live",
    "health/ready",
}
VISITS: list[tuple[str, Role | None]] = [
    (address, role)
    for address, methods in TABLE.items()
    if "GET" in methods and address not in NO_PAGES
    if not address.startswith(("api/", "dicom-web/"))
    for role in (ROLES if address != "sign-in" else [None])
    if role in methods["GET"]
] + [("no-such-page", Role.RADIOLOGIST), ("users", Role.RADIOLOGIST)]


@pytest.fixture(scope="module")
def portal(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp("packages")
    with django_db_blocker.unblock(), filled_portal(folder) as portal:
        yield portal


@pytest.fixture(scope="module")
def pages_of_people(portal: Portal) -> Iterator[Callable[[Role | None], Page]]:
    """The page of somebody's browser, a tablet; opening one for each address costs too much."""
    pages: dict[Role | None, Page] = {}

    def page_of(role: Role | None) -> Page:
        if role not in pages:
            pages[role] = _context_of(portal, role).new_page()
        return pages[role]

    yield page_of
    for page in pages.values():
        page.context.close()


@pytest.fixture(scope="module")
def checked_parts() -> set[str]:
    """The parts of pages that have been checked: many pages are the same for another role."""
    return set()


def _context_of(portal: Portal, role: Role | None) -> BrowserContext:
    context = shared_chromium(*NO_WEBGL).new_context(
        base_url=portal.url,
        viewport=SIZE,
        has_touch=True,
        # Colours and outlines are then there at once rather than after a transition.
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    # Scripts given this way run before the page's own and are not subject to its policy.
    context.add_init_script(path=AXE)
    context.add_init_script(path=CHECKS)
    if role is not None:
        session = {"name": "sessionid", "value": portal.sessions[role], "url": portal.url}
        context.add_cookies([session])  # type: ignore[list-item]
    return context


@pytest.fixture
def watch(portal: Portal) -> Iterator[Callable[[Page], Page]]:
    """Let the test fail when the page complains, or asks another host."""
    problems: list[str] = []
    watched: list[BrowserContext] = []
    host = urlsplit(portal.url).netloc

    def note_request(request: Request) -> None:
        if urlsplit(request.url).netloc not in (host, ""):
            problems.append(f"asked another host: {request.url}")

    def note_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    def record_error(error: WebError) -> None:
        problems.append(str(error.error))

    def watch(page: Page) -> Page:
        watched.append(page.context)
        page.context.on("request", note_request)
        page.context.on("console", note_message)
        page.context.on("weberror", record_error)
        return page

    yield watch
    for context in watched:
        context.remove_listener("request", note_request)
        context.remove_listener("console", note_message)
        context.remove_listener("weberror", record_error)
    # The answer that a page is not there, or not for this person, is an error to the browser.
    pattern = re.compile(r"status of (403|404|422)")
    assert [problem for problem in problems if not pattern.search(problem)] == []


@pytest.fixture
def open_page(
    portal: Portal, watch: Callable[[Page], Page]
) -> Iterator[Callable[[Role | None], Page]]:
    """Open a page of its own for somebody."""
    contexts: list[BrowserContext] = []

    def opened(role: Role | None) -> Page:
        contexts.append(_context_of(portal, role))
        return watch(contexts[-1].new_page())

    yield opened
    for context in contexts:
        context.close()


def settle(page: Page) -> None:
    """Wait until the page has what it asked for, the picture included."""
    page.wait_for_load_state("networkidle")
    if page.locator(".viewer").count():
        expect(page.locator("[data-pane=current][data-shown]")).to_be_visible(timeout=PATIENCE)


def address_of(pattern: str, portal: Portal) -> str:
    """The address with the ids of what the portal shows."""
    ids = portal.ids | ({"study_id": portal.ids["signed_id"]} if pattern in OF_SIGNED else {})
    filled = re.sub(r"<\w+:(\w+)>", lambda match: ids[match[1]], pattern)
    return "/" + filled + QUERIES.get(pattern, "").format(**portal.ids)


@pytest.mark.parametrize(
    ("pattern", "role"), VISITS, ids=[f"{role or 'nobody'}-{pattern}" for pattern, role in VISITS]
)
def test_a_page_is_accessible_fits_the_screen_and_loads_nothing_external(
    pattern: str,
    role: Role | None,
    portal: Portal,
    pages_of_people: Callable[[Role | None], Page],
    watch: Callable[[Page], Page],
    checked_parts: set[str],
) -> None:
    page = watch(pages_of_people(role))
    page.set_viewport_size(SIZE)
    page.goto(address_of(pattern, portal))
    settle(page)
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.evaluate("checks.shifts.reduce((sum, value) => sum + value, 0)") < MOST_SHIFT
    assert page.evaluate("checks.refused") == []
    # Title, header, content and footer are right or wrong each for itself.
    parts = set(page.evaluate("checks.parts()"))
    if parts <= checked_parts:
        return
    assert page.evaluate("checks.violations()") == []
    page.keyboard.press("Tab")
    assert page.evaluate("checks.withoutVisibleFocus()") == []
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("checks.overflow()") <= 0, f"scrolls sideways at {width} pixels"
    assert page.evaluate("most => checks.longLines(most)", LONGEST_LINE) == []
    assert page.evaluate("checks.refused") == []
    checked_parts |= parts


def test_the_checks_detect_violations(
    portal: Portal, open_page: Callable[[Role | None], Page]
) -> None:
    page = open_page(None)
    page.goto("/sign-in")
    settle(page)
    page.evaluate("""() => {
        const bad = document.createElement("div");
        bad.innerHTML = `<p>${"word ".repeat(200)}</p><input><a href="/a">a</a><a href="/b">b</a>`;
        document.querySelector("main").append(bad);
        for (const [name, value] of [
            ["color", "#333"], ["width", "9000px"], ["font-size", "8px"], ["line-height", "8px"],
        ]) bad.style.setProperty(name, value);
        bad.querySelector("p").style.setProperty("max-width", "none");
        for (const link of bad.querySelectorAll("a")) link.style.setProperty("outline", "none");
    }""")
    found = " ".join(page.evaluate("checks.violations()"))
    for rule in ("color-contrast", "label", "target-size"):
        assert rule in found
    page.keyboard.press("Tab")
    assert len(page.evaluate("checks.withoutVisibleFocus()")) >= 2
    assert page.evaluate("checks.overflow()") > 0
    assert page.evaluate("most => checks.longLines(most)", LONGEST_LINE) != []


@pytest.mark.parametrize(
    ("address", "opener", "opened"),
    [
        ("worklist", "button:has-text('Columns')", ".dropdown-menu.show"),
        ("worklist", "button:has-text('Views')", ".dropdown-menu.show"),
        ("worklist", "[data-opens-shortcuts]", "dialog[open]"),
        ("worklist", "#select-page", "#bulk"),
        ("worklist", ".navbar .dropdown-toggle", ".dropdown-menu.show"),
        ("studies/<uuid:study_id>", "key ?", "dialog[open]"),
        ("studies/<uuid:study_id>", "key o", ".pane-heatmap"),
        ("studies/<uuid:study_id>", "key c", "[data-pane=prior][data-shown]"),
        ("studies/<uuid:study_id>", ".panel-machine summary", ".panel-machine details[open]"),
    ],
)
def test_dialogs_and_menus_of_a_page_are_accessible_too(
    address: str,
    opener: str,
    opened: str,
    portal: Portal,
    pages_of_people: Callable[[Role | None], Page],
    watch: Callable[[Page], Page],
) -> None:
    # A window of its own: leaving a page that is just asking for news is an error to the script.
    page = watch(pages_of_people(Role.RADIOLOGIST).context.new_page())
    page.goto(address_of(address, portal))
    settle(page)
    if opener.startswith("key "):
        page.keyboard.press(opener.removeprefix("key "))
    else:
        page.locator(opener).first.tap()
    expect(page.locator(opened).first).to_be_visible()
    # Only what was opened: what lies under a menu is there again when the menu is closed.
    assert page.evaluate("part => checks.violations(part)", opened) == []
    assert page.evaluate("checks.overflow()") <= 0
    page.close()


def more_of_everything() -> None:
    """Change what the live pages show: a result, a study, a failure."""
    make_prediction(make_radiograph(make_study(priority=0)), "likely")
    Job.objects.filter(state="running").update(
        state="quarantined",
        leased_until=None,
        finished_at="2026-01-01T00:00Z",
        reason_code="test",
        reason_params={"text": "The test says so."},
    )
    connections.close_all()


@pytest.mark.parametrize(
    ("address", "role"),
    [
        ("worklist", Role.RADIOLOGIST),
        ("uploads/<uuid:batch_id>", Role.UPLOADER),
        ("operations", Role.IT),
    ],
)
def test_live_updates_cause_no_layout_shift(
    address: str,
    role: Role,
    portal: Portal,
    open_page: Callable[[Role | None], Page],
) -> None:
    page = open_page(role)
    page.goto(address_of(address, portal))
    settle(page)
    page.evaluate("document.addEventListener('htmx:afterSettle', () => { window.hasNews = true })")
    with ThreadPoolExecutor(1) as thread:  # outside the test's transaction
        thread.submit(more_of_everything).result()
    page.wait_for_function("() => window.hasNews")
    page.evaluate(TWO_FRAMES)
    assert page.evaluate("checks.shifts.reduce((sum, value) => sum + value, 0)") < MOST_SHIFT


def test_from_sign_in_to_signature_with_the_keyboard_alone(
    portal: Portal, open_page: Callable[[Role | None], Page]
) -> None:
    page = open_page(None)
    page.goto("/sign-in")
    for text in ("rita", PASSWORD):
        if text != "rita" or not page.get_by_label("User name").evaluate(
            "field => field === document.activeElement"
        ):
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Worklist")).to_be_visible()
    settle(page)
    page.keyboard.press("n")
    page.wait_for_url("**/studies/*")
    settle(page)
    study = page.url.rsplit("/", 1)[1]
    expect(page.locator("form[data-read] [data-needs-picture][inert]")).to_have_count(0)
    for button in page.locator("form[data-read] [data-show-image]:not([hidden])").all():
        button.press("Enter")
        expect(button).to_be_hidden()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("input[name=password]")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: study not in url)
    assert Read.objects.filter(study_id=study, reader__username="rita", state="signed").exists()
    assert Study.objects.get(pk=study).reading_state == "signed"
