"""How many workers a single machine runs: between a minimum and a maximum, by waiting work."""

import logging
import math
import os
import re
import threading
import time

import psycopg

from deploy.local.errors import ServiceError
from deploy.local.system import ROOT

logger = logging.getLogger(__name__)

SETTING = "CHESTLINE_WORKERS"
#: The query by which Kubernetes scales, too.
WAITING_WORK = ROOT / "deploy" / "helm" / "chestline" / "scaling.sql"
JOBS_PER_WORKER = 200
LOOK_SECONDS = 5.0
# Starting a worker takes seconds and loading its model as well: the next study may come soon.
COOLDOWN_SECONDS = 300.0
_MOST_EVER = 64


def worker_numbers() -> tuple[int, int]:
    """The minimum and maximum number of workers, from CHESTLINE_WORKERS such as ‘2’ or ‘1-4’.

    Raises ServiceError if it is neither.
    """
    text = os.environ.get(SETTING, "1")
    numbers = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", text.strip())
    if numbers:
        least = int(numbers[1])
        most = int(numbers[2] or least)
        if 1 <= least <= most <= _MOST_EVER:
            return least, most
    raise ServiceError(
        f"{SETTING} is {text!r}. Give a number of workers from 1 to {_MOST_EVER}, or a least and a"
        " most number such as 1-4."
    )


class Scale:
    """Decides how many workers should run.

    It scales up at once, and down only after COOLDOWN_SECONDS without need for more.

    Args:
        least: how many run even when there is nothing to do.
        most: how many run at most.
    """

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self.wanted = least
        self._needed_at: float | None = None
        self._is_over = threading.Event()
        self._follower: threading.Thread | None = None

    def decide(self, jobs: int, now: float) -> int:
        """The number of workers for `jobs` unfinished jobs; `now` is in seconds of any clock."""
        needed = min(self.most, max(self.least, math.ceil(jobs / JOBS_PER_WORKER)))
        if needed >= self.wanted or self._needed_at is None:
            self.wanted = max(self.wanted, needed)
            self._needed_at = now
        elif now - self._needed_at >= COOLDOWN_SECONDS:
            self.wanted = needed
            self._needed_at = now
        return self.wanted

    def follow(self, database_url: str) -> None:
        """Keep `wanted` up to date in the background; it is kept while the database is away."""
        self._follower = threading.Thread(target=self._follow, args=(database_url,), daemon=True)
        self._follower.start()

    def stop(self) -> None:
        """Stop the thread of `follow`."""
        self._is_over.set()
        if self._follower is not None:
            self._follower.join()

    def _follow(self, database_url: str) -> None:
        query = WAITING_WORK.read_bytes()
        while not self._is_over.is_set():
            try:
                with psycopg.connect(database_url, connect_timeout=5, autocommit=True) as database:
                    while not self._is_over.is_set():
                        row = database.execute(query).fetchone()
                        self.decide(row[0] if row else 0, time.monotonic())
                        self._is_over.wait(LOOK_SECONDS)
            except psycopg.Error as error:
                logger.debug("The number of unfinished jobs is not known: %s", error)
                self._is_over.wait(LOOK_SECONDS)
