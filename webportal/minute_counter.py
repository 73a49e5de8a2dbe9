"""Counting events per minute, for limits on what a single client can cause."""

import time
from threading import Lock


class MinuteCounter:
    """Counts events by key within the current minute."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, key: str) -> int:
        """Count an event; return the number of events with this key within the minute."""
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                self._minute, self._counts = minute, {}
            self._counts[key] = self._counts.get(key, 0) + 1
            return self._counts[key]
