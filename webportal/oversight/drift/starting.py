"""Starting the process that computes weeks, which can take a minute of CPU time."""

from webportal.background import Background
from webportal.oversight.drift.weeks import is_due

_process = Background()


def start_if_due() -> bool:
    """Start the process if a week is missing and none computes; return whether it was started."""
    if _process.is_running() or not is_due():
        return False
    _process.start("compute_drift")
    return True
