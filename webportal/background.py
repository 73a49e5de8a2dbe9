"""Commands of `manage.py` that the scheduler runs in other processes, so that no sweep waits."""

import subprocess
import sys

from django.conf import settings


class Background:
    """A command in its own process, of which only one runs at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def is_running(self) -> bool:
        """Whether the command that was last started has not ended yet."""
        return self._process is not None and self._process.poll() is None

    def start(self, *command: str) -> None:
        """Start `manage.py` with these arguments; its output is dropped, its log is not."""
        self._process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), *command],
            stdout=subprocess.DEVNULL,
        )

    def wait(self, seconds: float) -> int:
        """Return the exit status once it has ended. Raises TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(seconds)

    def terminate(self) -> None:
        """Ask the process to end, if it runs."""
        if self._process is not None:
            self._process.terminate()
