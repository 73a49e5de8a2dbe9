"""A file whose age tells a container platform whether the process still works.

Probing Celery itself would start a client each time, and its main process responds even if the one
that predicts hangs.
"""

from pathlib import Path

from django.conf import settings


def touch_heartbeat_file() -> None:
    """Set the modification time of HEARTBEAT_FILE to now, if it is configured."""
    if settings.HEARTBEAT_FILE:
        Path(settings.HEARTBEAT_FILE).touch()
