"""Chromium for the browser tests."""

import os
import shutil
import subprocess

# The same browser without windows, tabs and menus, which a page costs a fifth of the time.
HEADLESS_SHELL = "chromium-headless-shell"
NAMES = (HEADLESS_SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, None when there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def ensure_chromium() -> bool:
    """Install Chromium with apt-get where that is possible; returns whether there is one."""
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if may_install and not _install(HEADLESS_SHELL) and find_chromium() is None:
        _install("chromium")
    if find_chromium() is not None:
        return True
    print("The browser tests need Chromium or Chrome. Install it, for example with")
    print("    sudo apt-get install chromium")
    return False


def _install(package: str) -> bool:
    """Install a package whose program has its name; returns whether it is there."""
    if shutil.which(package) is None:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-qq", *command], check=False)
    return shutil.which(package) is not None
