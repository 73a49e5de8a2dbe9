"""Queues whose behaviour is known, for the tests of the simulation."""

import numpy as np

from webportal.operations.capacity.arrivals import Arrivals
from webportal.operations.capacity.assumptions import (
    Assumptions,
    BatchTime,
    Faults,
    Load,
    Scaling,
    WorkerSpeed,
)
from webportal.operations.capacity.simulation import Run, simulate
from webportal.records.choices import Priority

ROUTINE = Priority.ROUTINE.value


def at(*moments: float, priorities: list[int] | None = None) -> Arrivals:
    """Images that are queued at these moments."""
    queued = np.array(moments)
    return Arrivals(queued, queued, np.array(priorities or [ROUTINE] * len(moments), np.int8))


def poisson(rate: float, count: int, seed: int = 1) -> Arrivals:
    random = np.random.default_rng(seed)
    return at(*np.cumsum(random.exponential(1 / rate, count)))


def worker(
    fixed: float = 1, per_image: float = 0, batch: int = 1, ahead: bool = False, spread: float = 0
) -> WorkerSpeed:
    time = BatchTime(fixed, per_image, spread)
    return WorkerSpeed(time, time, batch_size=batch, claims_ahead=ahead)


def run(
    arrivals: Arrivals,
    speed: WorkerSpeed,
    workers: int = 1,
    faults: Faults | None = None,
    scaling: Scaling | None = None,
    seed: int = 7,
) -> Run:
    assumptions = Assumptions(Load(1), speed, faults=faults or Faults(), scaling=scaling)
    return simulate(assumptions, workers, arrivals, np.random.default_rng(seed))
