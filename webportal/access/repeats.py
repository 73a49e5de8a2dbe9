"""What a session has just been shown, so that a page that keeps itself current fills no log.

The worklist asks every four seconds. Of its answers are recorded the rows that the same session has
not been shown at this address within `REMEMBERED_SECONDS`. Each process of the portal remembers on
its own; one that forgets records more, never less.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from uuid import UUID

REMEMBERED_SECONDS = 300.0
MOST_PLACES = 2000
MOST_IDS = 2000


class Repeats:
    """The ids that each place, a session and a route, was shown, and when."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: OrderedDict[tuple[str, str], dict[UUID | None, float]] = OrderedDict()

    def new_of(self, place: tuple[str, str], ids: Iterable[UUID | None]) -> set[UUID | None]:
        """Those that this place was not shown a short time ago."""
        since = time.monotonic() - REMEMBERED_SECONDS
        with self._lock:
            known = self._places.get(place, {})
            return {each for each in ids if known.get(each, since) <= since}

    def remember(self, place: tuple[str, str], ids: Iterable[UUID | None]) -> None:
        """Note what was recorded."""
        now = time.monotonic()
        with self._lock:
            known = self._places.pop(place, {})
            if len(known) > MOST_IDS:
                known = {}
            self._places[place] = known | dict.fromkeys(ids, now)
            while len(self._places) > MOST_PLACES:
                self._places.popitem(last=False)
