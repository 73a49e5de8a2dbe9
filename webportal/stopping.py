"""Ending commands that run until they are stopped."""

import signal
import threading
from types import FrameType


def on_signal() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set from now on, instead of ending the process."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping
