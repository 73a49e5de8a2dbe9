"""Every check of the project: `python -m tools.checks [--tests | --coverage]`.

All of them run even if one fails; the exit status is 0 only if none failed. The tests run beside
the checks, in several processes: CHESTLINE_TEST_PROCESSES says in how many.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local.frontend import FRONTEND, node_environment
from deploy.local.system import ROOT
from tools import lengths, lock, scoping
from tools.chromium import ensure_chromium
from tools.directory import ensure_directory
from tools.helm import ensure_helm
from tools.programs import ensure_program

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
    """Run the checks and, with --tests, pytest beside them; exit with 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", action="store_true", help="run the tests too")
    parser.add_argument("--write-openapi", action="store_true", help="only write docs/openapi.yaml")
    parser.add_argument("pytest_arguments", nargs="*", help="passed to pytest")
    parser.add_argument(
        "--coverage", action="store_true", help="only run the tests, and show their coverage"
    )
    options = parser.parse_args()
    os.chdir(ROOT)
    # The tests start hundreds of processes, each of which would compile the portal again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if options.coverage:
        # Separate, because tracing every line takes time.
        ensure_chromium()
        sys.exit(_start_tests(["--cov", *options.pytest_arguments]).wait())
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
        "studies of others": scoping.is_scoped,
        "lengths of modules": lengths.are_short,
        "locked packages": lock.is_current,
    }
    failed = []
    if options.tests and not ensure_chromium():
        failed.append("Chromium")
    tests = _start_tests(options.pytest_arguments) if options.tests else None
    for name, check in checks.items():
        print(f"\n== {name}", flush=True)
        if not check():
            failed.append(name)
    if tests is not None and tests.wait() != 0:
        failed.append("tests")
    print(f"== failed: {', '.join(failed) or 'nothing'}", flush=True)
    sys.exit(1 if failed else 0)


def _run(*command: str, folder: Path = ROOT) -> bool:
    environment = {**node_environment(), **SETTINGS}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    # In a single write, because the tests print at the same time.
    print(done.stdout, end="", flush=True)
    return done.returncode == 0


def _start_tests(arguments: list[str]) -> subprocess.Popen[bytes]:
    # Without it the test of the systemd units is skipped, which CI does not allow.
    ensure_program("systemd-analyze", "systemd")
    # The peers in the tests of the DICOM network.
    ensure_program("storescu", "dcmtk")
    ensure_program("Orthanc", "orthanc-dicomweb")
    # The syslog server that the audit trail is sent to, and what checks the messages.
    ensure_program("rsyslogd", "rsyslog-openssl")
    ensure_program("xmllint", "libxml2-utils")
    # The hospital's user directory, and the client for it.
    ensure_directory()
    # The reverse proxy of the containers, and Helm for the chart.
    ensure_program("caddy")
    ensure_program("nginx", "nginx-light")
    ensure_helm()
    # The alert rules in deploy/monitoring/.
    ensure_program("promtool", "prometheus")
    # The tests of a file stay in one process and share what its fixtures start.
    spread = ["-n", str(_test_processes()), "--dist", "loadfile", "--no-loadscope-reorder"]
    # A test that ends its process fails and ends the run. With another process in its place, xdist
    # may run that test again and again, or wait for ever.
    spread += ["--max-worker-restart", "0"]
    return subprocess.Popen([sys.executable, "-m", "pytest", "-q", *spread, *arguments])


def _test_processes() -> int:
    """The number of test processes: one more than there are cores, because many tests wait."""
    given = os.environ.get("CHESTLINE_TEST_PROCESSES")
    # Each has its own database, broker and perhaps network, about a gigabyte in total.
    return int(given) if given else min((os.cpu_count() or 1) + 1, 8)


def _write_openapi(file: Path) -> bool:
    return _run(*MANAGE, "spectacular", "--validate", "--fail-on-warn", "--file", str(file))


def _openapi_is_current() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        present = Path(folder) / "openapi.yaml"
        if not _write_openapi(present):
            return False
        if OPENAPI.exists() and OPENAPI.read_text() == present.read_text():
            return True
    print(f"{OPENAPI.relative_to(ROOT)} does not match the API: run 'make openapi'")
    return False


if __name__ == "__main__":
    main()
