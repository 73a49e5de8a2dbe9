"""Points in the code at which a process kills itself on request.

At each point, processes started from `chaos.mortal` look for a file of that name in the folder
`CHAOS_POINTS`. The process that succeeds in removing the file dies, so that only one does.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

FOLDER = "CHAOS_POINTS"

PORTAL = (
    *("half-written", "file-stored", "before-commit", "committed", "hinted"),
    *("group-half-stored", "group-before-commit", "group-committed"),
)
WORKER = ("claimed", "decoded", "predicted", "results-uncommitted", "results-written")
SCHEDULER = ("leases-expired", "anchor-written")


def tell(folder: Path, point: str) -> None:
    """Make the next process that reaches the point kill itself."""
    (folder / point).touch()


def has_happened(folder: Path, point: str) -> bool:
    """Whether a process has died at the point since `tell`."""
    return not (folder / point).exists()


def take_back(folder: Path, point: str) -> None:
    """Cancel `tell`."""
    (folder / point).unlink(missing_ok=True)


def die_before(
    owner: Any, name: str, point: str, applies: Callable[..., bool] = lambda **_: True
) -> None:
    """Insert the point before the function `owner.name`; `applies` as with `die_after`."""
    function = getattr(owner, name)

    @wraps(function)
    def die_or_call(*arguments: Any, **named: Any) -> Any:
        if applies(**named):
            _die(point)
        return function(*arguments, **named)

    setattr(owner, name, die_or_call)


def die_after(
    owner: Any, name: str, point: str, applies: Callable[..., bool] = lambda **_: True
) -> None:
    """Insert the point after the function; `applies` gets its keyword arguments."""
    function = getattr(owner, name)

    @wraps(function)
    def call_and_die(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        if applies(**named):
            _die(point)
        return result

    setattr(owner, name, call_and_die)


def _die(point: str) -> None:
    try:
        (Path(os.environ[FOLDER]) / point).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
