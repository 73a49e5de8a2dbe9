"""Every check of the project: `python -m deploy.local.checks [--tests]`.

All of them run, whatever fails; the exit status is 0 only when none failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local import lock
from deploy.local.chromium import ensure_chromium
from deploy.local.frontend import FRONTEND, node_environment
from deploy.local.system import ROOT

OPENAPI = ROOT / "docs" / "openapi.yaml"
MANAGE = (sys.executable, "manage.py")
# The settings are read by several checks; none of them connects to anything.
SETTINGS = {
    "SECRET_KEY": "for the checks alone",
    "AUDIT_KEY": "for the checks alone",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "BROKER_URL": "redis://127.0.0.1:1/0",
}


def main() -> None:
    """Run the checks and, with --tests, pytest after them; exit with 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", action="store_true", help="then run the tests")
    parser.add_argument("--write-openapi", action="store_true", help="only write docs/openapi.yaml")
    parser.add_argument("pytest_arguments", nargs="*", help="passed to pytest")
    options = parser.parse_args()
    os.chdir(ROOT)
    if options.write_openapi:
        sys.exit(0 if _write_openapi(OPENAPI) else 1)
    checks: dict[str, Callable[[], bool]] = {
        "ruff check": lambda: _run(sys.executable, "-m", "ruff", "check", "."),
        "ruff format": lambda: _run(sys.executable, "-m", "ruff", "format", "--check", "."),
        "mypy": lambda: _run(sys.executable, "-m", "mypy", "."),
        "import-linter": lambda: _run(str(Path(sys.executable).with_name("lint-imports"))),
        "front end": lambda: _run("npm", "run", "check", folder=FRONTEND),
        "migrations": lambda: _run(*MANAGE, "makemigrations", "--check", "--dry-run"),
        "OpenAPI": _openapi_is_current,
        "locked packages": lock.is_current,
    }
    if options.tests:
        checks["Chromium"] = ensure_chromium
    failed = []
    for name, check in checks.items():
        print(f"== {name}", flush=True)
        if not check():
            failed.append(name)
    print(f"== checks that failed: {', '.join(failed) or 'none'}", flush=True)
    tested = not options.tests or _tests_pass(options.pytest_arguments)
    sys.exit(0 if tested and not failed else 1)


def _run(*command: str, folder: Path = ROOT) -> bool:
    environment = {**node_environment(), **SETTINGS}
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0


def _tests_pass(arguments: list[str]) -> bool:
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, check=False).returncode == 0


def _write_openapi(file: Path) -> bool:
    return _run(*MANAGE, "spectacular", "--validate", "--fail-on-warn", "--file", str(file))


def _openapi_is_current() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        present = Path(folder) / "openapi.yaml"
        if not _write_openapi(present):
            return False
        if OPENAPI.exists() and OPENAPI.read_text() == present.read_text():
            return True
    print(f"{OPENAPI.relative_to(ROOT)} is not what the API is now: run 'make openapi'")
    return False


if __name__ == "__main__":
    main()
