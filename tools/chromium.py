"""Chromium for the browser tests."""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, None when there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def ensure_chromium() -> bool:
    """Install Chromium with apt-get where that is possible; returns whether there is one."""
    if find_chromium() is not None:
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("The browser tests need Chromium or Chrome. Install it, for example with")
        print("    sudo apt-get install chromium")
        return False
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", "-qq", *command], check=False)
    return find_chromium() is not None
