"""`manage.py send_results`: the process that sends results to destinations."""

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from webportal.delivery import running


class Command(BaseCommand):
    """Send until SIGTERM, Ctrl-C, or no destination is left; started by the scheduler."""

    help = "Send signed reads and results to the destinations, as long as there are any."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()

        def stop(_number: int, _frame: FrameType | None) -> None:
            stopping.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        running.run(stopping)
