"""The simulated queue."""

import heapq
import math

from webportal.operations.capacity.arrivals import Arrivals
from webportal.records.choices import Priority


class SimulatedQueue:
    """The queued jobs, claimed as `claims.CLAIM` does."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._queued = arrivals.queued.tolist()
        self._priorities = arrivals.priorities.tolist()
        self._heap: list[tuple[int, float, int]] = []
        self.arrived = 0
        self.attempts = [0] * len(arrivals)
        self.claimed = [math.nan] * len(arrivals)

    def next_arrival(self, now: float) -> float | None:
        """When the next image arrives; None after the last."""
        self.admit(now)
        return self._queued[self.arrived] if self.arrived < len(self._queued) else None

    def put_back(self, job: int) -> None:
        """Return a job to its former place in the queue."""
        heapq.heappush(self._heap, (self._priorities[job], self._queued[job], job))

    def is_stat(self, job: int) -> bool:
        """Whether a job is of a stat study."""
        return bool(self._priorities[job] == Priority.STAT)

    def claim(self, limit: int, now: float, *, busy: bool, stat_only: bool = False) -> list[int]:
        """Take the most urgent jobs: those before the first retry, or a retry alone if not busy."""
        self.admit(now)
        taken: list[int] = []
        while self._heap and len(taken) < limit:
            job = self._heap[0][2]
            if stat_only and not self.is_stat(job):
                break
            is_retry = self.attempts[job] > 0
            if is_retry and (taken or busy):
                break
            heapq.heappop(self._heap)
            taken.append(job)
            if is_retry:
                break
        for job in taken:
            self.attempts[job] += 1
            if math.isnan(self.claimed[job]):
                self.claimed[job] = now
        return taken

    def admit(self, now: float) -> None:
        """Admit everything that has arrived by now."""
        while self.arrived < len(self._queued) and self._queued[self.arrived] <= now:
            self.put_back(self.arrived)
            self.arrived += 1
