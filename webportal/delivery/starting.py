"""Lets the scheduler start the sending process; see `running`.

It is started only if there are destinations, and exits when the last one is removed.
"""

import subprocess
import sys

from django.conf import settings

from webportal.delivery.models import Destination

_child: "subprocess.Popen[bytes] | None" = None


def start_if_needed() -> bool:
    """Start `manage.py send_results` if there are destinations and it is not running."""
    global _child
    if _child is not None and _child.poll() is None:
        return False
    _child = None
    if not Destination.objects.filter(removed_at=None).exists():
        return False
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "send_results"]
    _child = subprocess.Popen(command)
    return True


def stop() -> None:
    """Terminate the process."""
    if _child is not None and _child.poll() is None:
        _child.terminate()
