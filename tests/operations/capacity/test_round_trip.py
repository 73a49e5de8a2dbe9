"""The speeds that are read from a worker's jobs predict the queue that the jobs came from."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.factories import make_worker
from tests.operations.capacity.systems import at, run
from webportal.inference.models import JobState
from webportal.inference.pacing import GATHER_SECONDS
from webportal.operations.capacity.measured import ClosedJob, devices
from webportal.records.choices import Priority

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH_SIZE = 32
IMAGES_PER_SECOND = 75


def worked_off(queued: Sequence[float]) -> list[tuple[float, float]]:
    """When a made-up worker with the rules of `workers/engine.py` claimed and finished each image.

    Written without the simulation that is tested.
    """
    random = np.random.default_rng(3)

    def drawn(seconds: float, spread: float = 0.3) -> float:
        return seconds * float(random.gamma(1 / spread**2)) * spread**2

    def waiting(now: float) -> int:
        arrived = int(np.searchsorted(queued, now, side="right"))
        return min(arrived - taken, BATCH_SIZE)

    done: list[tuple[float, float]] = []
    taken, ahead, now, claimed_at = 0, 0, 0.0, 0.0
    while len(done) < len(queued):
        is_following = ahead > 0
        if is_following:
            images, claimed = ahead, claimed_at
        else:
            if queued[taken] > now:
                now = queued[taken] + 0.015
            images, claimed = waiting(now), now
            taken += images
        began, ahead = now, 0
        if is_following or images == BATCH_SIZE:
            ahead, claimed_at = waiting(now), now
            taken += ahead
        now += drawn(0.010 + 0.0100 * images) if is_following else drawn(0.020 + 0.0125 * images)
        done += [(claimed, now)] * images
        if not ahead:
            now += 0.010 + 0.0008 * images
            if images < BATCH_SIZE:
                now = max(now, began + GATHER_SECONDS)
    return done


@pytest.mark.parametrize("load", [0.3, 0.5])
def test_the_times_of_a_known_worker_are_predicted(load: float) -> None:
    make_worker("gpu-1", device="CPU")
    rate = load * IMAGES_PER_SECOND
    random = np.random.default_rng(1)
    queued = np.cumsum(random.exponential(1 / rate, int(60 * rate))).tolist()
    done = worked_off(queued)
    jobs = [
        ClosedJob(
            worker="gpu-1",
            priority=Priority.ROUTINE,
            attempt=1,
            state=JobState.DONE,
            study=uuid.uuid4(),
            queued_at=START + timedelta(seconds=arrived),
            started_at=START + timedelta(seconds=claimed),
            finished_at=START + timedelta(seconds=finished),
        )
        for arrived, (claimed, finished) in zip(queued, done, strict=True)
    ]
    (device,) = devices(jobs)
    predicted = np.mean(
        [figures(run(at(*queued), device.speed, seed=seed).times) for seed in range(5)], axis=0
    )
    real = figures(np.array([finished for _, finished in done]) - queued)
    assert predicted == pytest.approx(real, rel=0.15)


def figures(seconds: "np.ndarray") -> list[float]:
    return [float(seconds.mean()), *np.percentile(seconds, [50, 95]).tolist()]
