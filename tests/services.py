"""A pytest plugin: real PostgreSQL and Valkey, and the settings that point to them.

It is loaded by name before Django's settings are read, which need the addresses. Under xdist each
worker process has services of its own, and the controlling process, which runs no test, none.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.local.services import Valkey
from tests.postgres import PostgresOfTests

_runs_tests = "PYTEST_XDIST_WORKER" in os.environ or not any(
    argument.startswith(("-n", "--numprocesses"))
    for argument in sys.argv
    if argument not in ("-n0", "--numprocesses=0")
)

folder = Path(tempfile.mkdtemp(prefix="chestline-test-"))
atexit.register(shutil.rmtree, folder, ignore_errors=True)


# `make mutants` runs pytest a thousand times, on a server that it has started.
_running = os.environ.get("CHESTLINE_TEST_POSTGRES")
postgres = PostgresOfTests(Path(_running) if _running else folder / "postgres")
valkey = Valkey(folder / "valkey")

os.environ |= {
    "CHESTLINE_VAR": str(folder),
    "STORAGE_URL": f"file://{folder}/storage",
    "SECRET_KEY": "a key of sessions, for the tests alone",
    "AUDIT_KEY": "a key of the trail, for the tests alone",
    "AUDIT_ANCHOR_FILE": str(folder / "anchors"),
    "DATABASE_URL": "postgresql:///unused",
    "BROKER_URL": "redis://unused",
}
if _runs_tests:
    if not _running:
        postgres.start()
        atexit.register(postgres.stop)
    valkey.start()
    atexit.register(valkey.stop)
    os.environ |= {"DATABASE_URL": postgres.url, "BROKER_URL": valkey.url}
