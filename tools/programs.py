"""Programs that the tests use and that no Python package provides."""

import os
import shutil
import subprocess


def ensure_program(name: str, package: str = "") -> bool:
    """Install a program with apt-get if possible; return whether it is installed.

    `package` is the system package that contains it, if it has a different name.
    """
    may_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if shutil.which(name) is None and may_install:
        install = ["install", "--yes", "--no-install-recommends", package or name]
        for command in (["update"], install):
            subprocess.run(["apt-get", "-qq", *command], check=False)
    return shutil.which(name) is not None
