"""Sending files from a real browser, over a connection that breaks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.e2e.browser import chromium
from webportal.accounts.models import Role, User
from webportal.intake import services
from webportal.intake.models import UploadItem
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db(transaction=True)

ALL_TRIES = 60_000  # milliseconds; longer than all the waits between tries together


@pytest.fixture
def context(
    live_server: LiveServer,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[BrowserContext]:
    """A browser in which an uploader is signed in."""
    # Playwright keeps an event loop in this thread, where Django would not touch the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    session = sign_in(make_user(Role.UPLOADER)).cookies["sessionid"].value
    with chromium() as browser:
        context = browser.new_context(base_url=live_server.url)
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        yield context
        context.close()
        connections.close_all()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """The page of a new batch, whose clock the test moves."""
    page = context.new_page()
    page.clock.install()
    batch = services.create_batch(User.objects.get())
    page.goto(f"/uploads/{batch.pk}")
    return page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight images in a folder and one below, and what systems leave there."""
    folder = tmp_path / "night"
    (folder / "sub").mkdir(parents=True)
    for number in range(8):
        name = f"sub/{number}.png" if number % 2 else f"{number}.png"
        (folder / name).write_bytes(files.png(files.phantom(seed=number)))
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / "sub" / ".DS_Store").write_bytes(b"x")
    return folder


def choose_folder(page: Page, folder: Path) -> None:
    page.set_input_files("[data-input=folder]", folder)


def test_a_folder_arrives_with_a_verdict_for_each_file(page: Page, folder: Path) -> None:
    (folder / "letter.txt").write_text("Dear colleague")
    choose_folder(page, folder)
    expect(page.get_by_text("9 of 9 files sent, all have arrived")).to_be_visible()
    page.clock.run_for(2000)
    rows = page.locator(".items tbody tr")
    expect(rows).to_have_count(9)
    expect(rows.filter(has_text="Accepted")).to_have_count(8)
    expect(page.locator(".refusal")).to_contain_text("not a DICOM, JPEG or PNG image")
    names = set(UploadItem.objects.values_list("file_name", flat=True))
    assert {"night/0.png", "night/sub/1.png", "night/letter.txt"} <= names


def test_four_files_travel_at_once(page: Page, folder: Path) -> None:
    held: list[Route] = []
    released = False

    def hold(route: Route) -> None:
        if released:
            route.continue_()
        else:
            held.append(route)

    page.route("**/files", hold)
    choose_folder(page, folder)
    expect(page.locator(".in-flight .sending")).to_have_count(4)
    page.clock.run_for(1000)
    assert len(held) == 4
    released = True
    for route in held:
        route.continue_()
    expect(page.get_by_text("all have arrived")).to_be_visible()


@pytest.mark.parametrize("status", [None, 502])
def test_a_fault_that_passes_is_tried_again_by_itself(
    status: int | None, page: Page, folder: Path
) -> None:
    faults = iter(range(8))

    def fail_at_first(route: Route) -> None:
        if next(faults, None) is None:
            route.continue_()
        elif status is None:
            route.abort()
        else:
            route.fulfill(status=status, body="Bad gateway")

    page.route("**/files", fail_at_first)
    choose_folder(page, folder)
    expect(page.get_by_text("Trying again…").first).to_be_visible()
    page.clock.run_for(ALL_TRIES)
    expect(page.get_by_text("8 of 8 files sent, all have arrived")).to_be_visible()
    assert Radiograph.objects.count() == 8


def test_what_failed_for_good_is_sent_again_on_demand(page: Page, folder: Path) -> None:
    page.route("**/files", lambda route: route.fulfill(status=507, json={"message": "No space."}))
    choose_folder(page, folder)
    expect(page.get_by_text("0 of 8 files sent, 8 failed")).to_be_visible()
    expect(page.locator(".in-flight .failed").first).to_contain_text("No space.")
    page.unroute("**/files")
    page.get_by_role("button", name="Send the failed files again").click()
    expect(page.get_by_text("8 of 8 files sent, all have arrived")).to_be_visible()


def test_a_lost_connection_is_said_and_sending_goes_on_when_it_is_back(
    context: BrowserContext, page: Page, folder: Path
) -> None:
    context.set_offline(True)
    choose_folder(page, folder)
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    context.set_offline(False)
    page.clock.run_for(ALL_TRIES)
    expect(page.get_by_text("8 of 8 files sent, all have arrived")).to_be_visible()


def test_who_is_signed_out_is_told_what_to_do(
    context: BrowserContext, page: Page, folder: Path
) -> None:
    context.clear_cookies()
    choose_folder(page, folder)
    expect(page.locator(".in-flight .failed").first).to_contain_text("You are signed out")


def test_a_file_over_the_limit_is_not_sent(page: Page, folder: Path) -> None:
    page.locator("#uploader").evaluate("uploader => uploader.dataset.maxBytes = '10'")
    choose_folder(page, folder)
    expect(page.get_by_text("0 of 8 files sent, 8 failed")).to_be_visible()
    assert not UploadItem.objects.exists()
