"""Chromium for the browser tests."""

import shutil

from tools.programs import ensure_program

# The same browser without windows, tabs and menus; it opens a page in a fifth of the time.
HEADLESS_SHELL = "chromium-headless-shell"
NAMES = (HEADLESS_SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def ensure_chromium() -> bool:
    """Install Chromium with apt-get if possible; return whether it is installed."""
    if not ensure_program(HEADLESS_SHELL) and find_chromium() is None:
        ensure_program("chromium")
    if find_chromium() is not None:
        return True
    print("The browser tests need Chromium or Chrome. Install it, for example with")
    print("    sudo apt-get install chromium")
    return False
