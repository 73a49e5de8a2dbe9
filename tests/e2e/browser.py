"""Headless Chromium for tests and screenshots."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from deploy.local.chromium import find_chromium


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the machine's own Chromium."""
    path = find_chromium()
    if path is None:
        raise RuntimeError("No Chromium is installed; 'make test' installs one or says how.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()
