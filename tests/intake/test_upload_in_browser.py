"""Uploading from a real browser over an unreliable connection."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.e2e.browser import NO_WEBGL, TWO_FRAMES, context_of
from tests.factories import make_patient, make_radiograph, make_study
from tests.intake.upload_page import (
    Hold,
    abandon_holds,
    arrived,
    choose_folder,
    let_pages_pick,
    progress,
    row,
)
from webportal.accounts.models import Role, User
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def context(
    live_server: LiveServer,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> Iterator[BrowserContext]:
    """A browser in which an uploader is signed in."""
    with context_of(sign_in(make_user(Role.UPLOADER)), live_server, *NO_WEBGL, own=True) as context:
        yield context
        abandon_holds()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """The page of a new batch."""
    page = context.new_page()
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


def test_a_folder_is_uploaded_with_a_verdict_for_each_file(page: Page, folder: Path) -> None:
    (folder / "letter.txt").write_text("Dear colleague")
    choose_folder(page, folder)
    arrived(page, 9)
    expect(row(page, "letter.txt")).to_contain_text("Refused")
    expect(row(page, "0.png")).to_contain_text("Accepted")
    rows = page.locator(".items tbody tr")
    expect(rows).to_have_count(9)
    expect(rows.filter(has_text="Accepted")).to_have_count(8)
    for line in (row(page, "letter.txt"), rows.filter(has_text="letter.txt")):
        expect(line).to_contain_text("14 bytes")
    expect(rows.filter(has_text="Queue: place 1")).to_have_count(1)
    refusals = page.get_by_label("Refused files by reason")
    expect(refusals).to_contain_text("not a DICOM, JPEG or PNG image")
    names = set(UploadItem.objects.values_list("file_name", flat=True))
    assert {"night/0.png", "night/sub/1.png", "night/letter.txt"} <= names


def test_four_files_are_sent_at_once(page: Page, folder: Path) -> None:
    hold = Hold(page)
    choose_folder(page, folder)
    expect(page.locator(".file-row.is-sending")).to_have_count(4)
    page.evaluate(TWO_FRAMES)
    assert len(hold.held) == 4
    hold.release()
    arrived(page, 8)


def test_small_files_are_sent_together_with_a_verdict_for_each(page: Page, folder: Path) -> None:
    for number in range(40):
        (folder / f"letter {number}.txt").write_text("Dear colleague")
    together: list[str] = []
    page.on(
        "request",
        lambda request: together.extend(name for name in request.headers if name == "x-list-bytes"),
    )
    choose_folder(page, folder)
    arrived(page, 48)
    assert together
    assert Radiograph.objects.count() == 8
    names = UploadItem.objects.filter(verdict="refused").values_list("file_name", flat=True)
    assert set(names) == {f"night/letter {number}.txt" for number in range(40)}


def test_an_upload_can_be_paused_and_resumed(page: Page, folder: Path) -> None:
    hold = Hold(page)
    choose_folder(page, folder)
    expect(page.locator(".file-row.is-sending")).to_have_count(4)
    page.get_by_role("button", name="Pause").click()
    hold.release()
    expect(progress(page)).to_have_text("4 of 8 files have arrived")
    expect(page.get_by_text("Paused")).to_be_visible()
    assert UploadItem.objects.count() == 4
    page.get_by_role("button", name="Resume").first.click()
    arrived(page, 8)


@pytest.mark.parametrize("status", [None, 502])
def test_a_lost_connection_is_reported_and_the_upload_resumes_automatically(
    status: int | None, page: Page, folder: Path
) -> None:
    faults = iter(range(6))

    def fail_at_first(route: Route) -> None:
        if next(faults, None) is None:
            route.continue_()
        elif status is None:
            route.abort()
        else:
            route.fulfill(status=status, body="Bad gateway")

    page.route("**/files", fail_at_first)
    choose_folder(page, folder)
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    arrived(page, 8)
    expect(page.get_by_text("The connection is lost.")).to_be_hidden()
    assert Radiograph.objects.count() == 8


def test_a_network_outage_loses_nothing(context: BrowserContext, page: Page, folder: Path) -> None:
    hold = Hold(page, after=3)
    choose_folder(page, folder)
    expect(progress(page)).to_have_text("3 of 8 files have arrived")
    context.set_offline(True)
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    hold.end()
    context.set_offline(False)
    arrived(page, 8)
    assert Radiograph.objects.count() == UploadItem.objects.count() == 8


def test_server_errors_are_retried_and_then_grouped(page: Page, folder: Path) -> None:
    page.clock.install()
    page.route("**/files", lambda route: route.fulfill(status=500, body="Oops"))
    choose_folder(page, folder)
    expect(page.locator(".file-row").filter(has_text="Retrying…")).to_have_count(4)
    failures = page.get_by_label("Not sent: what to do")
    # The answers come in their own time between the waits, which the clock skips.
    while failures.locator(".count").all_inner_texts() != ["8"]:
        page.clock.run_for(16_000)
    expect(failures).to_contain_text("The server answered with error 500.")
    page.unroute("**/files")
    failures.get_by_role("button", name="Send these again").click()
    page.clock.run_for(1000)
    page.clock.resume()
    arrived(page, 8)


def test_a_file_that_has_to_wait_its_turn_says_why(page: Page, folder: Path) -> None:
    page.clock.install()
    busy = {"code": "archive_waits", "message": "Other ZIP files are being unpacked."}
    page.route("**/files", lambda route: route.fulfill(status=429, json=busy))
    choose_folder(page, folder)
    said = page.get_by_role("status").filter(has_text="Other ZIP files are being unpacked.")
    expect(said).to_contain_text("This page sends it again automatically.")
    expect(page.locator(".file-row").filter(has_text="Retrying…")).to_have_count(0)
    page.unroute("**/files")
    page.clock.run_for(2000)
    page.clock.resume()
    arrived(page, 8)
    expect(said).to_be_hidden()


def test_a_full_disk_pauses_the_upload_until_a_person_resumes_it(page: Page, folder: Path) -> None:
    sent: list[Route] = []

    def full(route: Route) -> None:
        sent.append(route)
        route.fulfill(status=507, json={"message": "No space."})

    page.clock.install()
    page.route("**/files", full)
    choose_folder(page, folder)
    expect(page.get_by_role("alert").filter(has_text="No space.")).to_be_visible()
    expect(page.locator(".file-row.is-sending")).to_have_count(0)
    page.clock.run_for(60_000)
    assert len(sent) == 4, "what cannot succeed is not tried for every file"
    page.unroute("**/files")
    page.locator("[data-blocked]").get_by_role("button", name="Resume").click()
    arrived(page, 8)


def test_a_signed_out_user_is_told_what_to_do(
    context: BrowserContext, page: Page, folder: Path
) -> None:
    context.clear_cookies()
    choose_folder(page, folder)
    blocked = page.locator("[data-blocked]")
    expect(blocked).to_contain_text("You are signed out")
    other_tab = context.new_page()
    other_tab.goto("/sign-in")
    other_tab.get_by_label("User name").fill(User.objects.get().username)
    other_tab.get_by_label("Password").fill(PASSWORD)
    other_tab.get_by_role("button", name="Sign in").click()
    expect(other_tab.get_by_role("heading", name="Uploads")).to_be_visible()
    blocked.get_by_role("button", name="Resume").click()
    arrived(page, 8)


def test_a_file_over_the_limit_is_not_sent(page: Page, folder: Path) -> None:
    page.locator("#uploader").evaluate("uploader => uploader.dataset.maxBytes = '10'")
    choose_folder(page, folder)
    expect(progress(page)).to_have_text("0 of 8 files have arrived, 8 could not be sent")
    failures = page.get_by_label("Not sent: what to do")
    expect(failures).to_contain_text("larger than")
    expect(failures.get_by_role("button")).to_be_hidden()
    assert not UploadItem.objects.exists()


def test_at_820_pixels_the_columns_have_room_beside_a_long_name(page: Page) -> None:
    page.set_viewport_size({"width": 820, "height": 1100})
    batch = UploadBatch.objects.get()
    radiograph = make_radiograph(make_study(patient=make_patient(name="Ba" * 30)))
    common = {"batch": batch, "size": 512}
    UploadItem.objects.create(
        file_name="a.dcm", sha256="a" * 64, verdict="accepted", radiograph=radiograph, **common
    )
    UploadItem.objects.create(
        file_name="letter.txt",
        sha256="b" * 64,
        verdict="refused",
        reason_code="not_an_image",
        **common,
    )
    page.goto(f"/uploads/{batch.pk}/results")
    read = page.locator(".results th").last.bounding_box()
    assert read is not None
    assert read["x"] + read["width"] <= 820
    page.goto(f"/uploads/{batch.pk}")
    for words in ("Verdict", "Patient and study"):
        heading = page.locator(".items th", has_text=words).bounding_box()
        assert heading is not None
        assert heading["x"] + heading["width"] <= 820
        assert heading["width"] > (200 if words == "Verdict" else 150)


# ── A reload in the middle ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that the portal receives, each as often as it does."""
    names: list[str] = []
    receive_files = pipeline.receive_files

    def noted(
        batch: UploadBatch, files: Iterable[tuple[str, IO[bytes]]], by: User
    ) -> list[UploadItem]:
        listed = list(files)
        names.extend(name for name, _ in listed)
        return receive_files(batch, listed, by)

    monkeypatch.setattr(pipeline, "receive_files", noted)
    return names


def test_a_remembered_folder_resumes_automatically_after_a_reload(
    page: Page, folder: Path, received: list[str]
) -> None:
    let_pages_pick(page, folder)
    hold = Hold(page, after=3)
    page.get_by_role("button", name="Choose a folder").click()
    expect(progress(page)).to_have_text("3 of 8 files have arrived")
    hold.end()
    page.reload()
    arrived(page, 8)
    assert UploadItem.objects.count() == Radiograph.objects.count() == 8
    assert len(received) == 8, "only what was missing is sent"


def test_a_paused_upload_stays_paused_after_a_reload(page: Page, folder: Path) -> None:
    let_pages_pick(page, folder)
    hold = Hold(page)
    page.get_by_role("button", name="Choose a folder").click()
    page.get_by_role("button", name="Pause").click()
    hold.end()
    page.clock.install()
    page.reload()
    expect(page.get_by_text("Paused")).to_be_visible()
    page.clock.run_for(60_000)
    assert not UploadItem.objects.exists()
    page.get_by_role("button", name="Resume").first.click()
    arrived(page, 8)


def test_the_folder_is_chosen_again_if_there_are_no_handles(
    page: Page, folder: Path, received: list[str]
) -> None:
    hold = Hold(page, after=3)
    choose_folder(page, folder)
    expect(progress(page)).to_have_text("3 of 8 files have arrived")
    hold.end()
    page.reload()
    expect(page.get_by_text("3 of 8 announced files have arrived")).to_be_visible()
    choose_folder(page, folder)
    arrived(page, 8)
    assert UploadItem.objects.count() == 8
    assert len(received) == 8, "only what was missing is sent"


def test_a_changed_file_is_sent_although_name_and_size_are_the_same(
    page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    choose_folder(page, folder)
    arrived(page, 1)
    (folder / "a.txt").write_text("two")
    page.reload()
    choose_folder(page, folder)
    arrived(page, 1)
    assert UploadItem.objects.count() == 2


def test_a_corrected_refused_file_is_sent_again(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"nonsense")
    let_pages_pick(page, folder)
    page.get_by_role("button", name="Choose a folder").click()
    refused = page.get_by_label("Refused files by reason")
    again = refused.get_by_role("button", name="Send these again")
    expect(again).to_be_visible()
    (folder / "a.png").write_bytes(files.png(files.phantom()))
    let_pages_pick(page, folder)
    again.click()
    expect(row(page, "a.png")).to_contain_text("Accepted")


def test_five_thousand_files_are_a_list_of_a_few_rows(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    for number in range(5000):
        (folder / f"{number:04}.png").write_bytes(b"")
    hold = Hold(page)
    choose_folder(page, folder)
    expect(page.locator(".file-row.is-sending").first).to_be_visible()
    assert page.locator(".file-row").count() < 60
    assert len(hold.held) == 4
    page.locator(".file-list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    expect(row(page, "4999.png")).to_be_visible()
