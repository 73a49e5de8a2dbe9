"""Headless Chromium for tests and screenshots."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserType, Page, sync_playwright

from deploy.local.chromium import find_chromium

# What draws WebGL on a machine without a graphics card.
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-3d-apis",)
# On a busy machine the first start is slow.
START_SECONDS = 180
PATIENCE = 90_000  # milliseconds


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


@contextmanager
def page_of(session: str, url: str, **options: Any) -> Iterator[Page]:
    """A page of somebody who is signed in; fails at the end when it complained in its console.

    `session` is the key of a session at the portal at `url`, `options` are those of a context.
    """
    problems: list[str] = []
    with chromium(*WEBGL) as browser:
        context = browser.new_context(base_url=url, **options)
        context.set_default_timeout(PATIENCE)
        context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        yield page
        context.close()
    assert problems == []
