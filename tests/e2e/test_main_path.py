"""The main workflow, from sign-in to the audit trail, in a browser on a separate system."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect

from tests.e2e.browser import note_complaints, shared_chromium
from tests.e2e.steps import PASSWORD, choose_own_password, sign_in
from tests.e2e.system import System
from webportal.demo.phantoms import draw_phantom

RESULTS_SECONDS = 120


@pytest.fixture
def page(system: System) -> Iterator[Page]:
    """A page that fails the test when its scripts fail or the security policy blocks something."""
    size = ViewportSize(width=1440, height=900)
    page = shared_chromium().new_page(base_url=system.url, viewport=size)
    page.set_default_timeout(30_000)
    problems: list[str] = []
    note_complaints(page, problems)
    yield page
    page.close()
    # The answer to a wrong password is one that the browser notes as an error.
    assert [problem for problem in problems if "status of 422" not in problem] == []


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


def open_worst(page: Page) -> None:
    page.get_by_role("link", name="Worklist").click()
    page.locator(".worklist-row").first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Model’s result")).to_be_visible()
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
    expect(page.get_by_role("heading", name="Signed read")).to_be_visible()
    expect(page.get_by_text("Read in the browser test.")).to_be_visible()


def add_addendum(page: Page) -> None:
    page.get_by_label("Reason").fill("Second look")
    page.get_by_label("Text", exact=True).fill("Nothing to add.")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Sign the addendum").click()
    expect(page.get_by_text("Nothing to add.")).to_be_visible()


def test_upload_read_sign_and_find_each_step_in_the_trail(
    page: Page, system: System, radiographs: Path
) -> None:
    sign_in(page, system)
    choose_own_password(page, system)
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
