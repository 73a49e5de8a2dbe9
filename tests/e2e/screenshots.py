"""`make screenshots`: the pictures in docs/images, of phantoms, on a system of its own."""

import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.browser import WEBGL, await_image, chromium
from tests.e2e.steps import choose_own_password, sign_in
from tests.e2e.system import ROOT, System, running_system

IMAGES = ROOT / "docs" / "images"
SIZE = (1600, 1000)
PAGES = {
    "worklist": "/worklist",
    "uploads": "/uploads/",
    "new-upload": "/uploads/new",
    "held-files": "/uploads/held",
    "patients": "/patients",
    "agreement": "/agreement",
    "text-templates": "/text-templates",
    "signing-pin": "/signing-pin",
    "notifications": "/notifications/",
    "notification-preferences": "/notifications/preferences",
    "queue": "/operations",
    "models": "/models",
    "destinations": "/destinations",
    "dicom": "/dicom",
    "users": "/users",
    "api-tokens": "/account/tokens",
    "second-factor": "/account/second-factor",
    "change-password": "/account/password",
    "audit": "/audit/",
    "access-log": "/access-log",
}
PATIENCE = 300_000  # milliseconds


def main() -> None:
    """Start a system with the demonstration's phantoms and photograph its pages."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_system(Path(folder) / "var") as system,
        chromium(*WEBGL) as browser,
    ):
        viewport = {"width": SIZE[0], "height": SIZE[1]}
        page = browser.new_page(base_url=system.url, viewport=viewport)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE)
        page.goto("/sign-in")
        photograph(page, "sign-in")
        _fill(page, system)
        for name, address in PAGES.items():
            page.goto(address)
            page.wait_for_load_state("networkidle")
            photograph(page, name)
        page.goto("/users")
        page.get_by_role("row", name="m.tamang").get_by_role("link", name="Change").click()
        photograph(page, "user")
        _photograph_what_the_worklist_opens(page)
        _photograph_an_upload(page)
        _photograph_the_model(page)
        _photograph_a_study(page)


def photograph(page: Page, name: str) -> None:
    """Keep what the window shows under that name."""
    with Image.open(BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(IMAGES / f"{name}.webp", quality=88, method=6)


def _fill(page: Page, system: System) -> None:
    system.manage("load_demo")
    system.manage("shell", "-c", "from tests.e2e.screenshot_data import fill; fill()")
    sign_in(page, system)
    choose_own_password(page, system)
    expect(page.locator("#worklist-counts")).to_contain_text("0 without a result")


def _photograph_what_the_worklist_opens(page: Page) -> None:
    page.goto("/worklist")
    page.get_by_role("button", name="Views").click()
    photograph(page, "worklist-views")
    page.get_by_role("button", name="Columns").click()
    photograph(page, "worklist-columns")
    page.keyboard.press("Escape")
    for box in page.locator(".worklist-row input").all()[:3]:
        box.check()
    photograph(page, "worklist-bulk")
    page.goto("/worklist")
    page.locator("[data-opens-shortcuts]").click()
    photograph(page, "worklist-keys")


def _photograph_an_upload(page: Page) -> None:
    page.goto("/uploads/")
    page.get_by_role("link", name="Night shift").click()
    page.wait_for_load_state("networkidle")
    photograph(page, "upload")
    page.get_by_role("link", name="Results", exact=True).click()
    page.wait_for_load_state("networkidle")
    photograph(page, "upload-results")
    page.goto("/uploads/held")
    page.get_by_role("main").get_by_role("link").last.click()
    page.wait_for_load_state("networkidle")
    photograph(page, "held-file")


def _photograph_the_model(page: Page) -> None:
    page.goto("/models")
    page.get_by_role("row", name="registered").get_by_role("link", name="Compare").first.click()
    page.wait_for_load_state("networkidle")
    photograph(page, "model-comparison")
    page.goto("/models")
    page.get_by_role("row", name="registered").get_by_role("link", name="Activate").click()
    page.wait_for_load_state("networkidle")
    photograph(page, "activate-model")
    page.goto("/models")
    page.locator("tr", has=page.locator(".badge.text-bg-success")).get_by_role("link").first.click()
    page.wait_for_load_state("networkidle")
    photograph(page, "model")


def _photograph_a_study(page: Page) -> None:
    page.goto("/worklist")
    page.locator(".worklist-row", has_text="PH-1001").get_by_role("link").click()
    await_image(page)
    page.keyboard.press("3")
    page.keyboard.press("o")
    page.evaluate("document.activeElement.blur()")
    overlay = page.locator("[data-pane=current] .pane-heatmap")
    if overlay.is_visible():
        overlay.evaluate("image => image.decode()")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    photograph(page, "study")
    page.keyboard.press("?")
    photograph(page, "study-keys")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    _measure(page)
    photograph(page, "study-tools")
    page.keyboard.press("c")
    expect(page.locator("[data-pane=prior][data-shown][data-drawn]")).to_be_visible()
    page.wait_for_load_state("networkidle")
    photograph(page, "study-prior")
    page.get_by_role("main").get_by_role("heading", level=1).get_by_role("link").click()
    page.wait_for_load_state("networkidle")
    photograph(page, "patient")
    page.get_by_role("link", name="Case record").first.click()
    photograph(page, "case-record")
    page.go_back()
    page.get_by_role("link", name="Wrong patient?").first.click()
    photograph(page, "study-patient")
    page.go_back()
    page.get_by_role("link", name="Edit", exact=True).click()
    photograph(page, "edit-patient")


def _measure(page: Page) -> None:
    box = page.locator("[data-pane=current] .pane-view").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    drags = (("d", (-120, 60), (130, 60)), ("e", (-130, -120), (-40, 0)))
    for number, (key, start, end) in enumerate(drags, start=1):
        page.keyboard.press(key)
        page.mouse.move(middle[0] + start[0], middle[1] + start[1])
        page.mouse.down()
        page.mouse.move(middle[0] + end[0], middle[1] + end[1], steps=5)
        page.mouse.up()
        expect(page.locator("[data-pane=current] .svg-layer text")).to_have_count(number)


if __name__ == "__main__":
    main()
