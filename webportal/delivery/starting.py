"""Starting the process that sends, by the scheduler; see `running`.

It is started only where there are destinations, and ends by itself when the last one is removed.
"""

import subprocess
import sys

from django.conf import settings

from webportal.delivery.models import Destination

_child: "subprocess.Popen[bytes] | None" = None


def start_if_needed() -> bool:
    """Start `manage.py send_results` where there are destinations and it does not run."""
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
    """Tell the process that was started to end."""
    if _child is not None and _child.poll() is None:
        _child.terminate()
