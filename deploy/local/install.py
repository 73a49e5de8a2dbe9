"""Installs what Chestline runs on: `python -m deploy.local.install [EXTRA …]`.

The extras are those of pyproject.toml. It is run by the system's Python; see `packages`.
"""

from __future__ import annotations

import argparse
import fcntl
import sys

from deploy.local.frontend import build_frontend
from deploy.local.packages import ROOT, InstallError, install_packages


def main() -> None:
    """Install the packages and build the front end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extras", nargs="*", help="of pyproject.toml; remembered from then on")
    options = parser.parse_args()
    try:
        # Two installations at once would interfere with each other.
        with (ROOT / ".install.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            print("[1/5] Python packages", flush=True)
            extras = install_packages(options.extras)
            print("[2/5] Front end", flush=True)
            build_frontend(with_checks="dev" in extras)
    except InstallError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The next start continues from here.")


if __name__ == "__main__":
    main()
