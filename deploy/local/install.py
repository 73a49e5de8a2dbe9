"""Installs what Chestline runs on: `python -m deploy.local.install [EXTRA …]`.

The extras are those of pyproject.toml. It is run by the system's Python; see `packages`.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from deploy.local.frontend import build_frontend, has_node
from deploy.local.packages import ROOT, InstallError, chosen_extras, install_packages


def main() -> None:
    """Install the packages and build the front end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extras", nargs="*", help="of pyproject.toml; remembered from then on")
    parser.add_argument(
        "--any-python",
        action="store_true",
        help="nobody has named this Python: choose a faster one if the machine has it",
    )
    options = parser.parse_args()
    try:
        # Two installations at once would interfere with each other.
        with (ROOT / ".install.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _install(chosen_extras(options.extras), options.any_python)
    except InstallError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The next start continues from here.")


def _install(extras: list[str], any_python: bool) -> None:
    with_checks = "dev" in extras
    print("[1/4] Python packages and front end", flush=True)
    if not has_node(os.environ):
        # Node.js is then one of the Python packages.
        install_packages(extras, any_python=any_python)
        build_frontend(with_checks=with_checks)
        return
    with ThreadPoolExecutor(max_workers=1) as beside:
        front_end = beside.submit(build_frontend, with_checks=with_checks)
        install_packages(extras, any_python=any_python)
        front_end.result()


if __name__ == "__main__":
    main()
