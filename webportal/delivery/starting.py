"""Lets the scheduler start the sending process; see `running`.

It is started only if there are destinations, and exits when the last one is removed.
"""

from webportal.background import Background
from webportal.delivery.models import Destination

_process = Background()


def start_if_needed() -> bool:
    """Start `manage.py send_results` if there are destinations and it is not running."""
    if _process.is_running() or not Destination.objects.filter(removed_at=None).exists():
        return False
    _process.start("send_results")
    return True


def stop() -> None:
    """Terminate the process."""
    _process.terminate()
