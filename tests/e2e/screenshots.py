"""`make screenshots`: the pictures in docs/images, of phantoms, on a system of its own."""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.browser import WEBGL, chromium
from tests.e2e.steps import choose_own_password, sign_in
from tests.e2e.system import ROOT, running_system

IMAGES = ROOT / "docs" / "images"
PAGES = {
    "worklist": "/worklist",
    "uploads": "/uploads/",
    "new-upload": "/uploads/new",
    "patients": "/patients",
    "queue": "/operations",
    "models": "/models",
    "users": "/users",
    "audit": "/audit/",
}
RESULTS_SECONDS = 120


def main() -> None:
    """Start a system with the demonstration's phantoms and photograph its pages."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder) / "var") as system:
        system.manage("load_demo")
        with chromium(*WEBGL) as browser:
            page = browser.new_page(base_url=system.url, viewport={"width": 1440, "height": 900})
            page.goto("/sign-in")
            page.screenshot(path=IMAGES / "sign-in.png")
            sign_in(page, system)
            choose_own_password(page, system)
            expect(page.locator("#worklist-counts")).to_contain_text(
                "0 without a result", timeout=RESULTS_SECONDS * 1000
            )
            for name, address in PAGES.items():
                page.goto(address)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=IMAGES / f"{name}.png")
            _photograph_a_study(page)


def _photograph_a_study(page: Page) -> None:
    page.goto("/worklist")
    page.locator(".worklist-row").first.get_by_role("link").click()
    expect(page.locator("[data-pane=current][data-shown]")).to_be_visible()
    page.keyboard.press("o")
    overlay = page.locator("[data-pane=current] .pane-heatmap")
    if overlay.is_visible():
        overlay.evaluate("image => image.decode()")
    page.screenshot(path=IMAGES / "study.png")
    _photograph_the_viewer(page)
    page.get_by_role("main").get_by_role("heading", level=1).get_by_role("link").click()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / "patient.png")


def _photograph_the_viewer(page: Page) -> None:
    page.keyboard.press("?")
    page.screenshot(path=IMAGES / "viewer-keys.png")
    page.keyboard.press("Escape")
    if page.get_by_role("button", name="Compare").count():
        page.keyboard.press("c")
        expect(page.locator("[data-pane=prior][data-shown]")).to_be_visible()
        page.screenshot(path=IMAGES / "study-prior.png")


if __name__ == "__main__":
    main()
