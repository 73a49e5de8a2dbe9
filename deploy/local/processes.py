"""Finding and ending processes that an earlier run left behind."""

from collections.abc import Callable, Iterable

import psutil


def find_processes(matches: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the running processes for which `matches` holds; unreadable ones are passed over."""
    found = []
    for process in psutil.process_iter():
        try:
            if matches(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_processes(processes: Iterable[psutil.Process], *, timeout: float = 10.0) -> None:
    """Send SIGKILL to `processes` and wait until they are gone, for `timeout` seconds at most."""
    killed = list(processes)
    for process in killed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(killed, timeout=timeout)
