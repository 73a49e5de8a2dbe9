"""Rate limiting of access log entries caused by clients that are not signed in."""

import time
from threading import Lock

from webportal.client_address import network_of

ENTRIES_A_MINUTE = 60


class Strangers:
    """Counts the refusals of clients that are not signed in, per network and minute."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._minute = 0
        self._entries: dict[str, int] = {}

    def count(self, address: str) -> int:
        """The number of refusals of this network within this minute, including this one."""
        network = network_of(address)
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                self._minute, self._entries = minute, {}
            self._entries[network] = self._entries.get(network, 0) + 1
            return self._entries[network]
