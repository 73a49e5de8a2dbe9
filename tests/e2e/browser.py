"""Headless Chromium for tests and screenshots."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.db import connections
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from tools.chromium import find_chromium

# What draws WebGL on a machine without a graphics card.
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-3d-apis",)
# On a busy machine the first start is slow.
START_SECONDS = 180
PATIENCE = 90_000  # milliseconds
# Until then the page has done what it does at once, drawn it, and told its observers.
TWO_FRAMES = "() => new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))"


@cache
def start_playwright() -> Playwright:
    """The only Playwright of this process: a second one cannot run beside it.

    It keeps an event loop in this thread, which changes where Django keeps its connections. Tests
    start it before they use the database.
    """
    # Beside an event loop Django would otherwise not touch the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    playwright = sync_playwright().start()
    expect.set_options(timeout=PATIENCE)
    atexit.register(playwright.stop)
    return playwright


@cache
def shared_chromium(*arguments: str) -> Browser:
    """The Chromium with these arguments that all tests of this process share.

    Starting one takes longer than many a test does; contexts of their own keep the tests apart.
    """
    return _launch(*arguments)


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Start a Chromium for one purpose, with further arguments of its command line."""
    browser = _launch(*arguments)
    yield browser
    browser.close()


def _launch(*arguments: str) -> Browser:
    path = find_chromium()
    if path is None:
        raise RuntimeError("No Chromium is installed; 'make test' installs one or says how.")
    return start_playwright().chromium.launch(
        executable_path=path,
        timeout=START_SECONDS * 1000,
        args=[
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            # Composing pages as WebGL is drawn would double the processor time of a test.
            "--disable-gpu-compositing",
            # The pages of a context share a process, and with it what is compiled already.
            "--process-per-site",
            *arguments,
        ],
    )


@contextmanager
def context_of(
    client: Client, server: LiveServer, *arguments: str, own: bool = False, **options: Any
) -> Iterator[BrowserContext]:
    """A browser context in which the person whom `client` has signed in at the server is signed in.

    `arguments` are those of the browser's command line, `options` those of the context. The next
    test that asks for the same gets the context again, without pages, cookies and what pages have
    stored, unless it is its `own`: whoever installs a clock, adds a script to the context, or lets
    a page use IndexedDB cannot leave it as it was.
    """
    key = repr((server.url, arguments, sorted(options.items())))
    context = None if own else _left.pop(key, None)
    if context is None:
        context = shared_chromium(*arguments).new_context(base_url=server.url, **options)
        context.set_default_timeout(PATIENCE)
        if not own:
            _keep_warm(context)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": server.url}])
    yield context
    if own:
        context.close()
    else:
        _leave(key, context)
    connections.close_all()


#: The context that was left last: others would keep their memory to the end.
_left: dict[str, BrowserContext] = {}


def _keep_warm(context: BrowserContext) -> None:
    """Keep a page open, in whose process later ones find the scripts that it has compiled.

    To start a process and compile Cornerstone takes most of the time of opening a study.
    """
    context.new_page().goto("/health/live")


def _leave(key: str, context: BrowserContext) -> None:
    first, *others = context.pages
    for page in others:
        page.close()
    first.evaluate("localStorage.clear()")
    context.clear_cookies()
    close_context_left()
    _left[key] = context


def close_context_left() -> None:
    """Close the context that is there for the next test."""
    while _left:
        _left.popitem()[1].close()


@contextmanager
def page_of(
    client: Client, server: LiveServer, *arguments: str, own: bool = False, **options: Any
) -> Iterator[Page]:
    """A page in a context as of `context_of`; fails at the end when it has complained."""
    problems: list[str] = []
    with context_of(client, server, *arguments, own=own, **options) as context:
        page = context.new_page()
        note_complaints(page, problems)
        yield page
    assert problems == []


def note_complaints(page: Page, problems: list[str]) -> None:
    """Add to the problems, from now on, which scripts fail and what the policy blocks."""
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )


def await_image(page: Page) -> None:
    """Wait until the study that is open shows its image and has nothing left to fetch."""
    expect(page.locator("[data-pane=current][data-shown][data-drawn]")).to_be_visible()
    page.wait_for_load_state("networkidle")


def wait_for_picture(page: Page) -> None:
    """Wait until findings can be chosen: they wait for the picture."""
    expect(page.locator("form[data-read] [data-needs-picture][inert]")).to_have_count(0)
