"""One whole system in a browser: the main workflow, then a folder while the portal is killed."""

import csv
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Page, StorageState, ViewportSize, expect
from pypdf import PdfReader

from tests import dicom_files as files
from tests.e2e.browser import note_complaints, shared_chromium
from tests.e2e.steps import PASSWORD, choose_own_password, sign_in
from tests.e2e.system import System
from webportal.demo.phantoms import draw_phantom

RESULTS_SECONDS = 120
FOLDER_FILES = 90
ARRIVAL = 600_000  # milliseconds
ANALYSIS = 900_000
SIZE = ViewportSize(width=1440, height=900)


@pytest.fixture(scope="module")
def administrator(system: System) -> StorageState:
    """The cookies of the first administrator, who has chosen a password."""
    page = shared_chromium().new_page(base_url=system.url, viewport=SIZE)
    problems: list[str] = []
    note_complaints(page, problems)
    sign_in(page, system)
    choose_own_password(page, system)
    state = page.context.storage_state()
    page.close()
    assert problems == []
    return state


@pytest.fixture
def page(system: System, administrator: StorageState) -> Iterator[Page]:
    page = shared_chromium().new_page(
        base_url=system.url, viewport=SIZE, storage_state=administrator
    )
    page.set_default_timeout(60_000)
    page.goto("/")
    yield page
    page.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "night"
    folder.mkdir()
    for number in range(FOLDER_FILES - 1):
        data = files.png(files.phantom(seed=number))
        (folder / f"{number:03}.png").write_bytes(data)
    (folder / "letter.txt").write_text("Dear colleague")
    return folder


@pytest.fixture
def radiographs(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of real radiographs where there are some, else of phantoms."""
    try:
        real: Path = request.getfixturevalue("real_data")
    except pytest.skip.Exception:
        folder = tmp_path / "phantoms"
        folder.mkdir()
        for seed in range(12):
            picture = draw_phantom(seed, (700, 800), opacity=seed % 2 == 0)
            Image.fromarray(picture).save(folder / f"phantom-{seed}.png")
        return folder
    return real / "fullres"


def upload(page: Page, folder: Path) -> None:
    count = sum(path.is_file() for path in folder.rglob("*"))
    page.get_by_role("link", name="Uploads").click()
    page.get_by_role("link", name="New upload", exact=True).click()
    page.get_by_role("button", name="Continue to the files").click()
    page.locator("input[webkitdirectory]").set_input_files(folder)
    status = page.locator("#batch-status")
    expect(status.get_by_role("link", name="Accepted")).to_contain_text(
        str(count), timeout=RESULTS_SECONDS * 1000
    )
    # The page counts the results by itself, without a reload.
    expect(status).to_contain_text(
        f"{count} of {count} images analysed", timeout=RESULTS_SECONDS * 1000
    )
    open_results(page, "has finished")


def open_results(page: Page, message: str) -> None:
    """Follow the badge, which counts without a reload, to the notification of an upload."""
    unread = page.get_by_role("link", name="Notifications: 1 unread")
    expect(unread).to_be_visible(timeout=180_000)
    unread.click()
    page.get_by_role("link", name=message).click()
    expect(page.get_by_role("heading", name="Results of")).to_be_visible()
    expect(page.get_by_role("link", name="Notifications: 0 unread")).to_be_visible()


def open_worst(page: Page) -> None:
    page.get_by_role("link", name="Worklist").click()
    page.locator(".worklist-row").first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Model result")).to_be_visible()
    expect(page.locator("[data-pane=current][data-shown]")).to_be_visible()


def look_at_heat_map(page: Page) -> None:
    overlay = page.locator("[data-pane=current] .pane-heatmap")
    expect(overlay).to_be_hidden()
    page.keyboard.press("o")
    expect(overlay).to_be_visible()
    assert overlay.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def read_and_sign(page: Page) -> None:
    page.locator(".choice label").first.click()
    page.get_by_label("Impression").fill("Read in the browser test.")
    page.get_by_label("Your password, to sign").fill("not my password")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_text("That is not your password")).to_be_visible()
    expect(page.get_by_label("Impression")).to_have_value("Read in the browser test.")
    page.get_by_label("Your password, to sign").fill(PASSWORD)
    # By key: the message about the password has just moved the button, and a click could miss it.
    page.get_by_role("button", name="Sign", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Signed read")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Read in the browser test.")).to_be_visible()


def add_addendum(page: Page) -> None:
    page.get_by_label("Reason").fill("Second look")
    page.get_by_label("Text", exact=True).fill("Nothing to add.")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Sign the addendum").click()
    # Checking a password takes its time, on a busy machine more than the usual patience.
    expect(page.get_by_text("Nothing to add.")).to_be_visible(timeout=30_000)


def test_upload_read_sign_and_find_each_step_in_the_trail(
    page: Page, system: System, radiographs: Path
) -> None:
    problems: list[str] = []
    note_complaints(page, problems)
    upload(page, radiographs)
    open_worst(page)
    study = page.url.rsplit("/", 1)[1]
    if page.locator("[data-heatmap-switch]").is_enabled():
        look_at_heat_map(page)
    read_and_sign(page)
    add_addendum(page)

    page.goto(f"/audit/?object_id={study}")
    for step in (
        "Study created",
        "Radiograph stored",
        "Inference queued",
        "Inference finished",
        "Study viewed",
        "Image sent to a browser",
        "Image viewed",
        "Signature failed",
        "Read signed",
        "Addendum signed",
    ):
        expect(page.get_by_role("cell", name=step, exact=True).first).to_be_visible()
    assert "intact" in system.manage("verify_audit")
    # The answer to a wrong password is one that the browser notes as an error.
    assert [problem for problem in problems if "status of 422" not in problem] == []


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
    page.goto("/uploads/new")
    page.get_by_label("Name of the upload").fill("Night shift")
    page.get_by_role("button", name="Continue to the files").click()

    page.set_input_files("[data-input=folder]", folder)
    wait_for_arrivals(page, 20)
    assert page.locator(".file-row").count() < 60
    kill_portal(system)
    wait_for_arrivals(page, 60)
    page.reload()
    page.set_input_files("[data-input=folder]", folder)
    progress = page.locator("[data-progress]")
    expect(progress).to_have_text(f"All {FOLDER_FILES} files have arrived", timeout=ARRIVAL)

    status = page.locator("#batch-status")
    images = FOLDER_FILES - 1
    expect(status.get_by_role("link", name="Accepted")).to_contain_text(str(images))
    expect(status.get_by_role("link", name="Refused")).to_contain_text("1")
    expect(status).to_contain_text(f"{images} of {images} images analysed", timeout=ANALYSIS)

    open_results(page, "The upload “Night shift” has finished")
    page.get_by_role("link", name="File", exact=True).click()
    expect(page.locator(".results tbody tr").first).to_contain_text("000.png")

    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "results.csv")
    lines = list(csv.DictReader((tmp_path / "results.csv").open(encoding="utf-8-sig")))
    assert len({line["file"] for line in lines}) == len(lines) == FOLDER_FILES
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    download.value.save_as(tmp_path / "results.pdf")
    pages = PdfReader(tmp_path / "results.pdf").pages
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1].extract_text()
