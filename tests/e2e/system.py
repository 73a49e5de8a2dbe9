"""A whole system of its own, as `make run` starts it, for a test or a screenshot."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
ADDRESS = re.compile(r"Chestline is at (\S+)")
PASSWORD = re.compile(r"password\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class System:
    """A running system: where it is, its data, and its first administrator's password."""

    url: str
    var: Path
    one_time_password: str

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py against the system and return what it printed."""
        command = [sys.executable, "-m", "deploy.local", "exec", "python", "manage.py", *arguments]
        environment = _environment(self.var)
        return subprocess.run(
            command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


@contextmanager
def running_system(var: Path) -> Iterator[System]:
    """Start a system with its data below `var`; stop it, and check that it stops, at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "run"],
        env=_environment(var),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output: list[str] = []
    started = threading.Event()
    threading.Thread(target=_read, args=(process, output, started), daemon=True).start()
    try:
        if not started.wait(START_SECONDS):
            raise RuntimeError("The system did not start:\n" + "".join(output))
        text = "".join(output)
        address = ADDRESS.search(text)
        password = PASSWORD.search(text)
        if address is None or password is None:
            raise RuntimeError("The system did not start:\n" + text)
        yield System(address[1], var, password[1])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _environment(var: Path) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "AUDIT_ANCHOR_FILE")
    }
    return inherited | {"CHESTLINE_VAR": str(var), "PYTHONUNBUFFERED": "1"}


def _read(process: subprocess.Popen[str], output: list[str], started: threading.Event) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        output.append(line)
        if ADDRESS.search(line):
            started.set()
    started.set()
