"""Headless Chromium for tests and screenshots."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserType, sync_playwright

from deploy.local.chromium import find_chromium

# What draws WebGL on a machine without a graphics card.
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-3d-apis",)
# On a busy machine the first start is slow.
START_SECONDS = 180


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Start the machine's own Chromium, with further arguments of its command line."""
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium, *arguments)
        yield browser
        browser.close()


def launch(browser_type: BrowserType, *arguments: str) -> Browser:
    """Start one more Chromium in a Playwright that runs already: there can be only one."""
    path = find_chromium()
    if path is None:
        raise RuntimeError("No Chromium is installed; 'make test' installs one or says how.")
    return browser_type.launch(
        executable_path=path,
        timeout=START_SECONDS * 1000,
        args=[
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            *arguments,
        ],
    )
