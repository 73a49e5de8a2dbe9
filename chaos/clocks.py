"""Separate clocks for the processes, with libfaketime if its wheel is installed."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

NAMES = ("portal", "worker", "scheduler", "postgres")


def libfaketime() -> Path | None:
    """The library to preload; None if it is not installed."""
    package = importlib.util.find_spec("libfaketime")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "vendor" / "libfaketime" / "src"
    return next(iter(sorted(folder.glob("libfaketime*.so.1"), reverse=True)), None)


class Clocks:
    """One clock per kind of process, adjustable while they run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        # Readable for all, because PostgreSQL may run as another user.
        folder.chmod(0o755)
        for name in NAMES:
            self.set(name, 0)

    def set(self, name: str, seconds: int) -> None:
        """Set a clock's offset from the real time, in seconds."""
        file = self._folder / name
        unfinished = file.with_suffix(".new")
        unfinished.write_text(f"{seconds:+d}\n")
        unfinished.chmod(0o644)
        unfinished.replace(file)

    def of(self, name: str) -> dict[str, str]:
        """The environment variables for a process with this clock."""
        preloaded = libfaketime()
        assert preloaded is not None
        return {
            "LD_PRELOAD": str(preloaded),
            "FAKETIME_TIMESTAMP_FILE": str(self._folder / name),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }


class Environment:
    """Sets environment variables of this process while it starts another."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def __enter__(self) -> None:
        os.environ.update(self._variables)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in self._variables:
            os.environ.pop(name, None)
