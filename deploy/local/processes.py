"""Finding and killing processes left behind by an earlier run."""

import time
from collections.abc import Callable, Iterable

import psutil


def find_processes(matches: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the running processes for which `matches` is true; unreadable ones are skipped."""
    found = []
    for process in psutil.process_iter():
        try:
            if matches(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_processes(processes: Iterable[psutil.Process], *, timeout: float = 10.0) -> None:
    """Send SIGKILL to `processes` and wait until they have ended, for `timeout` seconds at most."""
    killed = list(processes)
    for process in killed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    deadline = time.monotonic() + timeout
    while any(_runs(process) for process in killed) and time.monotonic() < deadline:
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    # A dead process stays a zombie until its parent reaps it; do not wait for that.
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
