"""Headless Chromium for tests and screenshots."""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.db import connections
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Error,
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
# A page of the portal with nothing in it.
EMPTY = "/health/live"
DEFAULT_SIZE = {"width": 1280, "height": 720}  # Playwright's
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
    client: Client,
    server: LiveServer,
    *arguments: str,
    own: bool = False,
    scripts: tuple[str, ...] = (),
    **options: Any,
) -> Iterator[BrowserContext]:
    """A browser context in which the person whom `client` has signed in at the server is signed in.

    `arguments` are those of the browser's command line, `scripts` run in each page before its own,
    and `options` are those of the context. The next test that asks for the same gets the context
    again, without what pages and cookies have stored, unless it is its `own`: whoever installs a
    clock, adds a script to the context or to a page, or lets a page use IndexedDB cannot leave it
    as it was.
    """
    # Transitions are drawn frame by frame, which takes a sixth of the time of opening a study.
    options = {"reduced_motion": "reduce"} | options
    key = repr((server.url, arguments, scripts, sorted(options.items())))
    context = None if own else _left.pop(key, None)
    if context is None:
        context = shared_chromium(*arguments).new_context(base_url=server.url, **options)
        context.set_default_timeout(PATIENCE)
        for script in scripts:
            context.add_init_script(script)
        if not own:
            context.new_page().goto(EMPTY)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": server.url}])
    yield context
    if own:
        context.close()
    else:
        _leave(key, context, options)
    connections.close_all()


#: The context that was left last: others would keep their memory to the end.
_left: dict[str, BrowserContext] = {}


def page_kept(context: BrowserContext) -> Page:
    """The page that is there from the start in a context which is nobody's `own`.

    The next test gets it again: a process that has compiled Cornerstone, and a page that has been
    set up. Together they take half of the time of opening a study. Routes, the window's size and
    the media are put back; who listens to the page stops that at the end of the test.
    """
    return context.pages[0]


def _leave(key: str, context: BrowserContext, options: dict[str, Any]) -> None:
    page, *others = context.pages
    for other in others:
        other.close()
    page.unroute_all()
    page.on("dialog", _accept)  # unsaved text asks before it is left
    page.goto(EMPTY)
    page.remove_listener("dialog", _accept)
    page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.mouse.move(-1, -1)
    page.set_viewport_size(options.get("viewport", DEFAULT_SIZE))
    page.emulate_media(media="null", reduced_motion=options["reduced_motion"])
    context.clear_cookies()
    close_context_left()
    _left[key] = context


def _accept(dialog: Dialog) -> None:
    dialog.accept()


def close_context_left() -> None:
    """Close the context that is there for the next test."""
    while _left:
        _left.popitem()[1].close()


@contextmanager
def page_of(
    client: Client,
    server: LiveServer,
    *arguments: str,
    own: bool = False,
    **options: Any,
) -> Iterator[Page]:
    """A page in a context as of `context_of`; fails at the end when it has complained."""
    problems: list[str] = []
    with context_of(client, server, *arguments, own=own, **options) as context:
        page = context.new_page() if own else page_kept(context)
        stop = note_complaints(page, problems)
        yield page
        stop()
    assert problems == []


def note_complaints(page: Page, problems: list[str]) -> Callable[[], None]:
    """Add to the problems which scripts fail and what the policy blocks, until it is stopped."""

    def note_error(error: Error) -> None:
        problems.append(str(error))

    def note_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    def stop() -> None:
        page.remove_listener("pageerror", note_error)
        page.remove_listener("console", note_message)

    page.on("pageerror", note_error)
    page.on("console", note_message)
    return stop


def await_image(page: Page) -> None:
    """Wait until the study that is open shows its image and has nothing left to fetch."""
    expect(page.locator("[data-pane=current][data-shown][data-drawn]")).to_be_visible()
    page.wait_for_load_state("networkidle")


def wait_for_picture(page: Page) -> None:
    """Wait until findings can be chosen: they wait for the picture."""
    expect(page.locator("form[data-read] [data-needs-picture][inert]")).to_have_count(0)
