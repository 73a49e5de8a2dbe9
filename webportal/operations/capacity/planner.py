"""The least number of workers with which results are in time, or the obstacle to it.

Replications with different seeds give each figure its interval. All numbers of workers meet the
same arrivals, so that they can be compared.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from webportal.operations.capacity.arrivals import HOUR, Arrivals, arrive
from webportal.operations.capacity.assumptions import HOURS, PRIORITIES, Assumptions, Load
from webportal.operations.capacity.simulation import Run, simulate

#: The largest number of workers that is tried.
MOST_WORKERS = 4096
#: If less capacity than this is spare, the simulated time is too short to show long queues.
MOST_USE = 0.95
# A slot needs this many images for a figure of its own.
_IMAGES_OF_A_SLOT = 50
# The two-sided 95 % quantiles of Student's t, by degrees of freedom; then the normal one.
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
Floats = NDArray[np.float64]


class Obstacle(StrEnum):
    """Why no number of workers is enough."""

    PORTALS = "portals"
    TRAIL = "trail"
    UPLOAD = "upload"
    WORKER = "worker"
    TOO_MANY = "too_many"


@dataclass(frozen=True)
class CapacityTarget:
    """The target: `percentile` % of the results within `within_seconds` of the upload.

    Args:
        replications: how many days are simulated, with seeds from `seed` on.
        most_images: of one replication; where a day has more, it is a part around the busiest hour.
        most_images_of_a_day: a whole day with more of them is not simulated for its backlog.
        most_simulated: of all replications and numbers of workers together; None for no limit.
    """

    within_seconds: float
    percentile: float = 95.0
    replications: int = 5
    seed: int = 1
    most_images: int = 20_000
    most_images_of_a_day: int = 500_000
    most_simulated: int | None = None

    def check(self, images: float) -> None:
        """Raise TooManyImagesError if `images` are more than may be simulated."""
        if self.most_simulated is not None and images > self.most_simulated:
            raise TooManyImagesError


class TooManyImagesError(Exception):
    """The plan needs more simulated images than the target allows."""


@dataclass(frozen=True)
class SimulatedFigure:
    """A figure with its 95 % interval over the replications."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Option:
    """What a number of workers achieves; times are percentiles from upload to result, in seconds.

    `worst` is that of the slowest hour, `median` that of all images, `use` the share of the
    workers' capacity that the busiest hour takes.
    """

    workers: int
    worst: SimulatedFigure
    median: SimulatedFigure
    by_priority: dict[str, SimulatedFigure | None]
    use: float
    is_enough: bool


@dataclass(frozen=True)
class CapacityPlan:
    """The least number of workers that is enough, or why there is none.

    `portal_use` and `trail_use` are the shares of the capacity of portals and audit trail that the
    busiest hour takes. `floor` is the percentile with unlimited workers. `backlog` has the
    unfinished images every quarter of an hour from midnight; it is empty if the day was not
    simulated. If uploads or the audit trail are the obstacle, nothing is simulated: there are no
    options, and no floor if the backlog of portals or trail grows without end.
    """

    workers: int | None
    obstacle: Obstacle | None
    options: Sequence[Option]
    portal_use: float
    trail_use: float
    floor: float | None
    images: int
    slots: int
    slot_seconds: float
    backlog: Sequence[float]


def plan(assumptions: Assumptions, target: CapacityTarget) -> CapacityPlan:
    """Find the least number of workers; with scaling, the least upper limit.

    Raises TooManyImagesError if that takes more images than `target.most_simulated`.
    """
    load = assumptions.load
    portal_use, trail_use = uses(assumptions)
    if portal_use >= 1:
        return _none(Obstacle.PORTALS, portal_use, trail_use)
    if trail_use >= 1:
        return _none(Obstacle.TRAIL, portal_use, trail_use)
    hours, slot = _slots(load, target)
    shares = sum(load.profile[hour % HOURS] for hour in hours)
    target.check(load.images_per_second * shares * slot * target.replications)
    days = [
        arrive(
            load,
            assumptions.path,
            [load.studies_per_hour * load.profile[hour % HOURS] for hour in hours],
            np.random.default_rng([seed, 0]),
            slot,
        )
        for seed in range(target.seed, target.seed + target.replications)
    ]
    trial = _Trial(assumptions, target, days, slot)
    workers, obstacle = None, _obstacle(trial)
    if obstacle == Obstacle.UPLOAD:
        return _none(obstacle, portal_use, trail_use, trial.floor)
    if obstacle is None:
        workers = trial.least()
        obstacle = Obstacle.TOO_MANY if workers is None else None
    middle = workers or trial.first
    for number in range(max(1, middle - 1), middle + 3):
        trial.option(number)
    return CapacityPlan(
        workers=workers,
        obstacle=obstacle,
        options=[trial.options[number] for number in sorted(trial.options)],
        portal_use=portal_use,
        trail_use=trail_use,
        floor=trial.floor,
        images=sum(map(len, days)),
        slots=len(hours) - 1,
        slot_seconds=slot,
        backlog=_backlog(assumptions, target, middle),
    )


def _none(
    obstacle: Obstacle, portal_use: float, trail_use: float, floor: float | None = None
) -> CapacityPlan:
    """The plan if the number of workers makes no difference."""
    return CapacityPlan(None, obstacle, [], portal_use, trail_use, floor, 0, 0, 0.0, [])


def uses(assumptions: Assumptions) -> tuple[float, float]:
    """The shares of the capacity of portals and audit trail that the busiest hour takes.

    Each upload appends to the trail in a transaction, and so does each batch of results.
    """
    rate, path, speed = assumptions.load.images_per_second, assumptions.path, assumptions.speed
    portals = rate / (path.portals * path.files_per_second)
    return portals, rate * (1 + 1 / speed.batch_size) / path.commits_per_second


def _slots(load: Load, target: CapacityTarget) -> tuple[list[int], float]:
    """The hours to simulate, and how many seconds of each; the first fills the system.

    A whole day if it does not have too many images; else some hours up to the end of the busiest
    one; or only a part of that if even two are too many.
    """
    busiest = max(range(HOURS), key=lambda hour: load.profile[hour])
    quietest = min(range(HOURS), key=lambda hour: load.profile[hour])
    images = [load.images_per_second * HOUR * share for share in load.profile]
    if sum(images) <= target.most_images:
        return list(range(quietest, quietest + HOURS + 1)), HOUR
    if 2 * images[busiest] > target.most_images:
        # In less time, waits of `within_seconds` could not occur.
        slot = max(target.most_images / 2 / load.images_per_second, target.within_seconds)
        return [busiest, busiest], min(slot, HOUR)
    hours = [busiest + HOURS - 1, busiest + HOURS]
    while sum(images[hour % HOURS] for hour in [hours[0] - 1, *hours]) <= target.most_images:
        hours.insert(0, hours[0] - 1)
    return hours, HOUR


def _backlog(assumptions: Assumptions, target: CapacityTarget, workers: int) -> list[float]:
    """Unfinished images every quarter of an hour; a day before it fills the system."""
    load = assumptions.load
    if load.images_per_second * HOUR * sum(load.profile) > target.most_images_of_a_day:
        return []
    rates = [load.studies_per_hour * share for share in load.profile]
    random = np.random.default_rng([target.seed, 2])
    run = simulate(assumptions, workers, arrive(load, assumptions.path, rates * 2, random), random)
    moments = np.arange(HOURS, 2 * HOURS, 0.25) * HOUR
    return list(map(float, run.backlog(moments)))


def _obstacle(trial: "_Trial") -> Obstacle | None:
    if trial.floor <= trial.target.within_seconds:
        return None
    is_upload = trial.upload > trial.target.within_seconds / 2
    return Obstacle.UPLOAD if is_upload else Obstacle.WORKER


class _Trial:
    """The simulated days, and the results for each number of workers."""

    def __init__(
        self,
        assumptions: Assumptions,
        target: CapacityTarget,
        days: Sequence[Arrivals],
        slot: float,
    ) -> None:
        self._assumptions, self.target, self._days = assumptions, target, days
        self._slot, self._simulated = slot, 0
        self.options: dict[int, Option] = {}
        # Fewer cannot keep up with the busiest hour.
        load, speed = assumptions.load, assumptions.speed
        needed = load.images_per_second / speed.images_per_second
        self.first = min(MOST_WORKERS, max(1, math.ceil(needed / MOST_USE)))
        uploads = np.concatenate([day.queued - day.sent for day in days])
        percentile = target.percentile
        self.upload = float(np.percentile(uploads, percentile)) if len(uploads) else 0.0
        #: Even an idle worker would be too slow.
        self.floor = self.upload + speed.wake + speed.alone.seconds(1)

    def least(self) -> int | None:
        """The least number that is enough; None if MOST_WORKERS are not."""
        low, high = self._lowest_possible(), self.first
        while not self.option(high).is_enough:
            low = high + 1
            if high == MOST_WORKERS:
                return None
            # Usually one or two more are enough.
            high = min(MOST_WORKERS, max(high + 1, math.ceil(high * 1.2)))
        while low < high:
            middle = (low + high) // 2
            if self.option(middle).is_enough:
                high = middle
            else:
                low = middle + 1
        return high

    def _lowest_possible(self) -> int:
        """The fewest workers to try; if results may take hours, they need not keep up at peak."""
        load, within = self._assumptions.load, self.target.within_seconds
        if within < HOUR:
            return self.first
        return max(1, math.floor(self.first * sum(load.profile) / HOURS))

    def option(self, workers: int) -> Option:
        """What this number of workers achieves; simulated once."""
        if workers not in self.options:
            self._simulated += sum(map(len, self._days))
            self.target.check(self._simulated)
            runs = [
                simulate(self._assumptions, workers, day, np.random.default_rng([number, 1]))
                for number, day in enumerate(self._days, self.target.seed)
            ]
            self.options[workers] = self._option(workers, runs)
        return self.options[workers]

    def _option(self, workers: int, runs: Sequence[Run]) -> Option:
        percentile, slot = self.target.percentile, self._slot
        worst = estimate([worst_slot(run, slot, percentile) for run in runs])
        by_priority = {
            priority.name.lower(): estimate(
                [_percentile(counted(run, slot, priority), percentile) for run in runs]
            )
            for priority in PRIORITIES
        }
        present = [each for each in (worst, *by_priority.values()) if each is not None]
        load, speed = self._assumptions.load, self._assumptions.speed
        return Option(
            workers=workers,
            worst=worst or SimulatedFigure(0, 0, 0),
            median=estimate([_percentile(counted(run, slot), 50) for run in runs])
            or SimulatedFigure(0, 0, 0),
            by_priority=by_priority,
            use=load.images_per_second / (workers * speed.images_per_second),
            is_enough=all(each.high <= self.target.within_seconds for each in present),
        )


def counted(run: Run, slot: float, priority: int | None = None) -> Floats:
    """Times from upload to result, except in the first slot, in which the system fills."""
    is_counted = run.arrivals.sent >= slot
    if priority is not None:
        is_counted &= run.arrivals.priorities == priority
    return run.times[is_counted]


def worst_slot(run: Run, slot: float, percentile: float) -> float | None:
    """The percentile of the slowest slot; of all slots together if they have few images."""
    slots = (run.arrivals.sent // slot).astype(int)
    present, counts = np.unique(slots[slots >= 1], return_counts=True)
    of_slots = [
        _percentile(run.times[slots == number], percentile)
        for number, count in zip(present, counts, strict=True)
        if count >= _IMAGES_OF_A_SLOT
    ]
    values = [value for value in of_slots if value is not None]
    return max(values) if values else _percentile(counted(run, slot), percentile)


def estimate(values: Sequence[float | None]) -> SimulatedFigure | None:
    """The mean over the replications with its interval; None if there are no images."""
    present = np.array([value for value in values if value is not None])
    if not len(present):
        return None
    mean = float(present.mean())
    if len(present) == 1 or not math.isfinite(mean):
        return SimulatedFigure(mean, mean, mean)
    freedom = len(present) - 1
    quantile = _STUDENT[freedom - 1] if freedom <= len(_STUDENT) else 1.96
    half = quantile * float(present.std(ddof=1)) / math.sqrt(len(present))
    return SimulatedFigure(mean, max(mean - half, 0.0), mean + half)


def _percentile(values: Floats, percentile: float) -> float | None:
    return float(np.percentile(values, percentile, method="higher")) if len(values) else None
