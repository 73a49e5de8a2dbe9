"""Programs that the tests use and that no Python package provides."""

import os
import shutil
import subprocess
from pathlib import Path


def ensure_program(name: str, package: str = "") -> bool:
    """Install a program with apt-get if possible; return whether it is installed.

    `package` is the system package that contains it, if it has a different name.
    """
    if shutil.which(name) is None:
        install(package or name)
    return shutil.which(name) is not None


def ensure_files(packages: dict[Path, str]) -> bool:
    """Install the packages of files that are missing, if possible; return whether all are there."""
    missing = [package for file, package in packages.items() if not file.exists()]
    if missing:
        install(*missing)
    return all(file.exists() for file in packages)


def install(*packages: str) -> None:
    """Install system packages where this user may."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    # Nobody is there to answer questions.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, check=False)
