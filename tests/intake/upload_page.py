"""The upload page in a browser, and a connection that holds what it sends."""

import base64
import math
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Error, Locator, Page, Route, expect

PATIENCE = 30_000  # milliseconds; on a busy machine a browser is slow
ALL_TRIES = 90_000  # milliseconds; longer than all the waits between tries together


def choose_folder(page: Page, folder: Path) -> None:
    """Choose a folder as in a browser without File System Access."""
    page.set_input_files("[data-input=folder]", folder)


def let_pages_pick(page: Page, folder: Path) -> None:
    """Answer the next choice of a folder by one whose handle outlives a reload.

    It lies in the browser's own file system, because no test can click through the system's dialog.
    """
    contents = {
        str(path.relative_to(folder)): base64.b64encode(path.read_bytes()).decode()
        for path in folder.rglob("*")
        if path.is_file()
    }
    page.evaluate(
        """async ([name, contents]) => {
            const root = await navigator.storage.getDirectory();
            const folder = await root.getDirectoryHandle(name, {create: true});
            for (const [path, text] of Object.entries(contents)) {
                const parts = path.split("/");
                let parent = folder;
                for (const part of parts.slice(0, -1))
                    parent = await parent.getDirectoryHandle(part, {create: true});
                const file = await parent.getFileHandle(parts.at(-1), {create: true});
                const writable = await file.createWritable();
                await writable.write(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
                await writable.close();
            }
            window.showDirectoryPicker = async () => folder;
        }""",
        [folder.name, contents],
    )


class Hold:
    """Holds the files on their way to the portal, but for the first `after`."""

    def __init__(self, page: Page, after: int = 0) -> None:
        self.held: list[Route] = []
        self._passing: float = after
        _holds.append(self)
        page.route("**/files", self._meet)

    def _meet(self, route: Route) -> None:
        if self._passing > 0:
            self._passing -= 1
            route.continue_()
        else:
            self.held.append(route)

    def end(self) -> None:
        """Let all that come from now on pass."""
        self._passing = math.inf

    def release(self) -> None:
        """Let those that are held go on, and all that come."""
        self.end()
        while self.held:
            self.held.pop(0).continue_()

    def abandon(self) -> None:
        """Answer those that are still held: Playwright waits for each."""
        for route in self.held:
            # Those that a page asked for which no longer exists have no answer.
            with suppress(Error):
                route.abort()


_holds: list[Hold] = []


def abandon_holds() -> None:
    """Abandon what is still held, before the browser's context ends."""
    while _holds:
        _holds.pop().abandon()


def progress(page: Page) -> Locator:
    return page.locator("[data-progress]")


def arrived(page: Page, files: int) -> None:
    # Before this page sends anything it says what had arrived earlier.
    expect(page.locator(".file-list")).to_be_visible(timeout=ALL_TRIES)
    expect(progress(page)).to_have_text(f"All {files} files have arrived", timeout=ALL_TRIES)


def row(page: Page, name: str) -> Locator:
    return page.locator(".file-row:not([hidden])").filter(has_text=name)
