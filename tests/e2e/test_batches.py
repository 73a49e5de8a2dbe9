"""Five hundred files on a whole system: the portal is killed, the page reloaded, nothing lost."""

import csv
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, ViewportSize, expect
from pypdf import PdfReader

from tests import dicom_files as files
from tests.e2e.browser import shared_chromium
from tests.e2e.steps import choose_own_password, sign_in
from tests.e2e.system import System

FILES = 500
ARRIVAL = 600_000  # milliseconds
ANALYSIS = 900_000


@pytest.fixture
def page(system: System) -> Iterator[Page]:
    size = ViewportSize(width=1440, height=900)
    page = shared_chromium().new_page(base_url=system.url, viewport=size)
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "night"
    folder.mkdir()
    for number in range(FILES - 1):
        data = files.png(files.phantom(seed=number))
        (folder / f"{number:03}.png").write_bytes(data)
    (folder / "letter.txt").write_text("Dear colleague")
    return folder


def kill_portal(system: System) -> None:
    """Kill what serves the pages, as a crash would; the supervisor starts it again."""
    for process in psutil.process_iter(["cmdline"]):
        serves_pages = "webportal.server" in (process.info["cmdline"] or [])
        if serves_pages and process.environ().get("CHESTLINE_VAR") == str(system.var):
            process.kill()


def wait_for_arrivals(page: Page, at_least: int) -> None:
    page.wait_for_function(
        """least => {
            const text = document.querySelector("[data-progress]").textContent;
            return Number(text.match(/\\d+/)?.[0] ?? 0) >= least;
        }""",
        arg=at_least,
        timeout=ARRIVAL,
    )


@pytest.mark.timeout(1800)
def test_uploading_a_folder_survives_a_killed_portal_and_a_reload(
    page: Page, system: System, folder: Path, tmp_path: Path
) -> None:
    sign_in(page, system)
    choose_own_password(page, system)
    page.goto("/uploads/new")
    page.get_by_label("Name of the upload").fill("Night shift")
    page.get_by_role("button", name="Continue to the files").click()

    page.set_input_files("[data-input=folder]", folder)
    wait_for_arrivals(page, 60)
    assert page.locator(".file-row").count() < 60
    kill_portal(system)
    wait_for_arrivals(page, 200)
    page.reload()
    page.set_input_files("[data-input=folder]", folder)
    progress = page.locator("[data-progress]")
    expect(progress).to_have_text(f"All {FILES} files have arrived", timeout=ARRIVAL)

    status = page.locator("#batch-status")
    images = FILES - 1
    expect(status.get_by_role("link", name="Accepted")).to_contain_text(str(images))
    expect(status.get_by_role("link", name="Refused")).to_contain_text("1")
    expect(status).to_contain_text(f"{images} of {images} images analysed", timeout=ANALYSIS)

    # The badge says so without a reload, and leads to the results.
    expect(page.get_by_role("link", name="Notifications: 1 unread")).to_be_visible(timeout=180_000)
    page.get_by_role("link", name="Notifications: 1 unread").click()
    page.get_by_role("link", name="The upload “Night shift” is done").click()
    expect(page.get_by_role("heading", name="Results of Night shift")).to_be_visible()
    expect(page.get_by_role("link", name="Notifications: 0 unread")).to_be_visible()
    page.get_by_role("link", name="File", exact=True).click()
    expect(page.locator(".results tbody tr").first).to_contain_text("000.png")

    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "results.csv")
    lines = list(csv.DictReader((tmp_path / "results.csv").open(encoding="utf-8-sig")))
    assert len({line["file"] for line in lines}) == len(lines) == FILES
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    download.value.save_as(tmp_path / "results.pdf")
    pages = PdfReader(tmp_path / "results.pdf").pages
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1].extract_text()
