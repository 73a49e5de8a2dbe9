"""What a session has just been shown, so that polling pages do not fill the log.

The worklist polls every four seconds. Only rows that the same session has not been shown at this
URL within `REMEMBERED_SECONDS` are logged. Each portal process has its own memory; after a restart
it logs more, never less.
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
    """The ids that each place (a session and a route) was shown, and when."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: OrderedDict[tuple[str, str], dict[UUID | None, float]] = OrderedDict()

    def new_of(self, place: tuple[str, str], ids: Iterable[UUID | None]) -> set[UUID | None]:
        """The ids that this place was not shown recently."""
        since = time.monotonic() - REMEMBERED_SECONDS
        with self._lock:
            known = self._places.get(place, {})
            return {each for each in ids if known.get(each, since) <= since}

    def remember(self, place: tuple[str, str], ids: Iterable[UUID | None]) -> None:
        """Remember what was logged."""
        now = time.monotonic()
        with self._lock:
            known = self._places.pop(place, {})
            if len(known) > MOST_IDS:
                known = {}
            self._places[place] = known | dict.fromkeys(ids, now)
            while len(self._places) > MOST_PLACES:
                self._places.popitem(last=False)
