"""An unused page locks itself, and continues as it was when its owner returns."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, await_image, context_of
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import wait_until
from tests.intake.upload_page import Hold, abandon_holds, arrived, choose_folder
from webportal.accounts.models import Session, User
from webportal.intake.batches import services
from webportal.records.models import Radiograph, Study
from webportal.review.models import Read
from webportal.review.reads.authentication import set_pin

pytestmark = pytest.mark.django_db(transaction=True)
PIN = "271828"


@pytest.fixture
def study() -> Study:
    study = make_study(patient=make_patient(name="Doe^Jane"))
    make_prediction(make_radiograph(study), "unlikely")
    return study


@pytest.fixture
def page(
    study: Study,
    live_server: LiveServer,
    radiologist: User,
    sign_in: Callable[[User], Client],
    settings: Settings,
) -> Iterator[Page]:
    """An open study that covers itself after five seconds."""
    settings.SESSION_LOCK_MINUTES = 5 / 60
    set_pin(radiologist, PASSWORD, PIN)
    with context_of(sign_in(radiologist), live_server, *NO_WEBGL, own=True) as context:
        page = context.new_page()
        page.goto(f"/studies/{study.pk}")
        yield page


def await_lock(page: Page) -> None:
    with page.expect_response("**/lock"):
        expect(page.locator("#lock")).to_be_visible()


def test_an_unused_page_is_locked_and_unlocked_by_keyboard_alone(page: Page, study: Study) -> None:
    await_image(page)
    page.keyboard.press("2")
    page.get_by_label("Impression").press_sequentially("Right base.")
    await_lock(page)
    for hidden in ("h1", ".pane-patient", ".pane-view", "textarea"):
        expect(page.locator(hidden).first).to_be_hidden()
    # Neither Escape nor another address leads past it.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#lock")).to_be_visible()
    other = page.context.new_page()
    other.goto("/worklist")
    expect(other.get_by_role("heading", name="Locked")).to_be_visible()
    assert "Doe" not in other.content()
    expect(page.locator("#lock input[name=secret]")).to_be_focused()
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That is neither your password nor your signing PIN")).to_be_visible()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#lock")).to_be_hidden()
    expect(page.get_by_label("Impression")).to_be_focused()
    expect(page.get_by_label("Impression")).to_have_value("Right base.")
    page.keyboard.type(" And left.")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    assert Read.objects.get().comment == "Right base. And left."


def test_one_tab_unlocks_the_others(page: Page, study: Study) -> None:
    await_lock(page)
    other = page.context.new_page()
    other.goto(f"/studies/{study.pk}")
    other.locator("input[name=secret]").fill(PASSWORD)
    other.locator("input[name=secret]").press("Enter")
    expect(other.get_by_role("heading", level=1)).to_contain_text("Doe")
    expect(page.locator("#lock")).to_be_hidden()


def test_a_page_in_use_stays_open(page: Page) -> None:
    page.clock.install()
    page.goto(page.url)
    await_image(page)
    for _ in range(8):
        page.clock.run_for(1000)
        page.keyboard.press("Shift")
    expect(page.locator("#lock")).to_be_hidden()
    page.clock.run_for(6000)
    expect(page.locator("#lock")).to_be_visible()


def test_a_page_whose_session_the_portal_has_locked_is_covered_and_can_be_unlocked(
    page: Page, study: Study, radiologist: User, settings: Settings
) -> None:
    settings.SESSION_LOCK_MINUTES = 10
    page.goto(page.url)
    await_image(page)
    # As after a loss of the connection for longer than that.
    Session.objects.update(used_at=timezone.now() - timedelta(minutes=12))
    expect(page.locator("#lock")).to_be_visible()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#lock")).to_be_hidden()
    page.keyboard.press("2")
    expect(page.get_by_text("Draft saved")).to_be_visible()


@pytest.fixture
def open_page(
    live_server: LiveServer, sign_in: Callable[[User], Client], settings: Settings
) -> Iterator[Callable[[User, str], Page]]:
    """Open a page for somebody that covers itself after five seconds."""
    settings.SESSION_LOCK_MINUTES = 5 / 60
    with ExitStack() as contexts:

        def opened(person: User, address: str) -> Page:
            context = contexts.enter_context(
                context_of(sign_in(person), live_server, *NO_WEBGL, own=True)
            )
            page = context.new_page()
            page.goto(address)
            return page

        yield opened
        abandon_holds()


def unlock(page: Page) -> None:
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#lock")).to_be_hidden()


def test_an_upload_goes_on_beneath_the_cover_and_its_result_shows_afterwards(
    open_page: Callable[[User, str], Page], uploader: User, tmp_path: Path
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(files.png(files.phantom(seed=number)))
    page = open_page(uploader, f"/uploads/{services.create_batch(uploader).pk}")
    hold = Hold(page)
    choose_folder(page, folder)
    expect(page.locator(".file-row.is-sending")).to_have_count(3)
    await_lock(page)
    expect(page.locator(".file-list")).to_be_hidden()
    hold.release()
    wait_until(lambda: Radiograph.objects.count() == 3, "the files have arrived")
    assert Session.objects.exclude(locked_at=None).exists()
    expect(page.locator("#lock")).to_be_visible()
    unlock(page)
    arrived(page, 3)
    expect(page.locator(".items tbody tr").filter(has_text="Accepted")).to_have_count(3)


# Counted in the page, because the browser may report a request late, once the page is covered.
COUNT_REQUESTS = """
    window.requests = window.pending = 0;
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) {
        window.requests += 1;
        window.pending += 1;
        this.addEventListener("loadend", () => { window.pending -= 1; });
        return send.call(this, body);
    };
"""


def test_a_page_that_refreshes_itself_is_covered_and_keeps_what_was_typed(
    open_page: Callable[[User, str], Page], it_person: User, settings: Settings
) -> None:
    settings.SESSION_LOCK_MINUTES = 10
    page = open_page(it_person, "/users")
    page.clock.install()
    page.goto("/users")
    page.get_by_label("User name").fill("asha")
    queue = page.context.new_page()
    queue.add_init_script(COUNT_REQUESTS)
    queue.clock.install()
    with queue.expect_response("**/operations?part=status"):
        queue.goto("/operations")
    # The other page follows, and both tell the portal.
    with page.expect_response("**/lock"), queue.expect_response("**/lock"):
        page.clock.run_for(11 * 60_000)
        for each in (page, queue):
            expect(each.locator("#lock")).to_be_visible()
            expect(each.locator("main")).to_be_hidden()
    # htmx sends what waited for an answer once that is there.
    wait_until(lambda: queue.evaluate("window.pending === 0"), "nothing is on its way")
    requests = queue.evaluate("window.requests")
    assert requests > 0
    queue.clock.run_for(60_000)
    assert queue.evaluate("window.requests") == requests
    page.bring_to_front()
    with queue.expect_response(lambda answer: "part=status" in answer.url and answer.ok):
        unlock(page)
        expect(queue.locator("#lock")).to_be_hidden()
        queue.bring_to_front()
    expect(page.get_by_label("User name")).to_have_value("asha")


def test_a_page_in_use_says_so_and_one_that_is_not_does_not(
    open_page: Callable[[User, str], Page], it_person: User, settings: Settings
) -> None:
    settings.SESSION_LOCK_MINUTES = 10
    page = open_page(it_person, "/users")
    page.clock.install()
    page.goto("/operations")
    said: list[str] = []
    page.on("request", lambda request: said.append(urlsplit(request.url).path))
    page.clock.run_for(60_000)
    assert "/operations" in said
    assert "/in-use" not in said
    Session.objects.update(used_at=timezone.now() - timedelta(minutes=9))
    page.keyboard.press("Shift")
    with page.expect_response("**/in-use") as answer:
        page.clock.run_for(2000)
    assert answer.value.status == 204
    assert Session.objects.get().used_at > timezone.now() - timedelta(minutes=1)


def test_a_page_left_by_another_person_stays_covered(
    open_page: Callable[[User, str], Page],
    uploader: User,
    it_person: User,
    sign_in: Callable[[User], Client],
) -> None:
    """The next user to sign in at this browser does not uncover it."""
    page = open_page(uploader, "/uploads/")
    await_lock(page)
    session = sign_in(it_person).cookies["sessionid"].value
    address = page.evaluate("location.origin")
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
    theirs = page.context.new_page()
    theirs.goto("/users")
    expect(theirs.get_by_role("heading", name="Users")).to_be_visible()
    expect(page.locator("#lock")).to_be_visible()
    page.bring_to_front()
    with page.expect_navigation():
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
    expect(page.locator(".lock[open]")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("Uploads")
