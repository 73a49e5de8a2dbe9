"""Starting the process that computes weeks: one with many images takes a minute of a core."""

import subprocess
import sys

from django.conf import settings

from webportal.oversight.drift.weeks import is_due

_child: "subprocess.Popen[bytes] | None" = None


def start_if_due() -> bool:
    """Start the process if a week is missing and none computes; return whether it was started."""
    global _child
    if _child is not None and _child.poll() is None:
        return False
    _child = None
    if not is_due():
        return False
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "compute_drift"]
    _child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    return True
