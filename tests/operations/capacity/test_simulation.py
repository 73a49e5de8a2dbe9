"""The simulation agrees with what queueing theory and the rules of the claim say."""

import math

import numpy as np
import pytest

from tests.operations.capacity.systems import ROUTINE, at, poisson, run, worker
from webportal.operations.capacity.arrivals import arrive, one_by_one
from webportal.operations.capacity.assumptions import (
    BatchTime,
    Faults,
    Load,
    Scaling,
    UploadPath,
    WorkerSpeed,
)
from webportal.records.choices import Priority

IMAGES = 40_000
STAT = Priority.STAT.value


def settled(times: "np.ndarray") -> "np.ndarray":
    return times[IMAGES // 10 :]


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_worker_with_times_of_any_length_is_an_m_m_1_queue(load: float) -> None:
    times = settled(run(poisson(load, IMAGES), worker(spread=1)).times)
    assert times.mean() == pytest.approx(1 / (1 - load), rel=0.05)
    assert np.percentile(times, 95) == pytest.approx(-math.log(0.05) / (1 - load), rel=0.07)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_worker_with_constant_times_is_an_m_d_1_queue(load: float) -> None:
    times = settled(run(poisson(load, IMAGES), worker()).times)
    assert times.mean() == pytest.approx(1 + load / (2 * (1 - load)), rel=0.04)


def test_three_workers_are_an_m_m_3_queue() -> None:
    rate, workers = 2.4, 3
    terms = [rate**n / math.factorial(n) for n in range(workers)]
    last = rate**workers / math.factorial(workers) * workers / (workers - rate)
    waits = last / (sum(terms) + last) / (workers - rate)
    times = settled(run(poisson(rate, IMAGES), worker(spread=1), workers).times)
    assert times.mean() == pytest.approx(1 + waits, rel=0.05)


@pytest.mark.parametrize("rate", [1.2, 1.8])
def test_two_workers_with_constant_times_are_an_m_d_2_queue(rate: float) -> None:
    load = rate / 2
    of_any_length = load**2 / (1 - load**2)
    # The approximation of Cosmetatos (1975), good to two per cent.
    wait = of_any_length / 2 * (1 + (1 - load) * (math.sqrt(4 + 5 * 2) - 2) / (16 * load * 2))
    times = settled(run(poisson(rate, IMAGES), worker(), 2).times)
    assert times.mean() - 1 == pytest.approx(wait, rel=0.1)


def test_a_batch_shares_its_fixed_time() -> None:
    done = run(at(0, 0.1, 0.2, 0.3), worker(fixed=10, per_image=1, batch=3)).finished
    # The first alone, then as many as a batch holds.
    assert done.tolist() == [11, 24, 24, 24]


def test_a_worker_claims_the_next_batch_while_one_is_on_the_device() -> None:
    speed = WorkerSpeed(BatchTime(10, 0), BatchTime(4, 0), BatchTime(1, 0), batch_size=2)
    found = run(at(0, 0, 0, 0, 0), speed)
    assert found.claimed.tolist() == [0, 0, 0, 0, 10]
    assert found.finished.tolist() == [10, 10, 14, 14, 18]
    # What arrives after the next claim waits for the one after it.
    late = run(at(0, 1, 14.5), speed)
    assert late.claimed.tolist() == [0, 11, 22]


def test_images_are_gathered_after_a_batch_that_was_not_full() -> None:
    time = BatchTime(1, 0)
    speed = WorkerSpeed(time, time, BatchTime(0.5, 0), wake=0.2, batch_size=2, gather=4)
    # The second and third come within the pause, the others to an idle worker.
    found = run(at(0, 1.2, 3, 8.1, 20), speed)
    assert found.claimed.tolist() == pytest.approx([0, 4, 4, 8.3, 20.2])
    # A full batch is followed at once, and a batch that takes longer than the pause.
    full = run(at(0, 0, 0, 0, 0), speed)
    assert full.claimed.tolist() == [0, 0, 0, 0, 1]
    slow = WorkerSpeed(BatchTime(5, 0), time, BatchTime(0.5, 0), batch_size=2, gather=4)
    assert run(at(0, 1), slow).claimed.tolist() == [0, 5.5]


def test_the_more_urgent_is_claimed_first_and_then_the_older() -> None:
    arrivals = at(0, 1, 2, 3, 4, priorities=[ROUTINE, ROUTINE, 1, STAT, STAT])
    done = run(arrivals, worker(fixed=10)).finished
    assert done.tolist() == [10, 50, 40, 20, 30]


def test_stat_passes_a_long_backlog() -> None:
    backlog = [0.0] * 2000
    arrivals = at(*backlog, 30.0, priorities=[ROUTINE] * 2000 + [STAT])
    found = run(arrivals, worker(fixed=0.1, per_image=0.1, batch=32, ahead=True))
    # It waits for the batch on the device, and is then alone on it.
    assert found.times[-1] < 3.3 + 0.2
    assert found.times.max() > 200


def test_stat_images_pass_the_batch_that_is_claimed_ahead() -> None:
    speed = WorkerSpeed(BatchTime(5, 0), BatchTime(10, 0), BatchTime(1, 0), batch_size=2)
    # The second comes while the first is on the device, after the others were claimed.
    arrivals = at(*[0.0] * 6, 2, 6, priorities=[ROUTINE] * 6 + [STAT] * 2)
    found = run(arrivals, speed)
    assert found.claimed.tolist() == [0, 0, 0, 0, 17, 17, 5, 11]
    assert found.finished.tolist() == [5, 5, 27, 27, 37, 37, 10, 16]


def test_a_batch_of_stat_images_at_most_passes_another() -> None:
    speed = WorkerSpeed(BatchTime(5, 0), BatchTime(10, 0), batch_size=2)
    stat = [1, 6, 11, 16]
    arrivals = at(*[0.0] * 6, *stat, priorities=[ROUTINE] * 6 + [STAT] * len(stat))
    found = run(arrivals, speed)
    # The third is claimed with another that has waited, and the fourth may not pass it.
    assert found.finished.tolist() == [5, 5, 25, 25, 35, 45, 10, 15, 35, 45]


def test_an_idle_worker_is_woken_for_each_image() -> None:
    speed = WorkerSpeed(BatchTime(5, 0), BatchTime(5, 0), wake=0.5, batch_size=4)
    assert run(at(1, 2), speed, 2).claimed.tolist() == [1.5, 2.5]


def test_failures_are_first_in_line_again_alone_until_their_attempts_are_used_up() -> None:
    speed = worker(batch=8)
    arrivals = poisson(0.5, 4000)
    found = run(arrivals, speed, faults=Faults(failing=0.5))
    lost = np.isnan(found.finished).mean()
    assert lost == pytest.approx(0.5**3, abs=0.02)
    assert np.isinf(found.times).mean() == lost
    every = run(arrivals, speed, faults=Faults(failing=1.0))
    assert np.isnan(every.finished).all()
    assert every.batches > 2 * 4000


def test_jobs_of_a_lost_worker_wait_for_lease_and_sweep() -> None:
    faults = Faults(lost_per_day=86_400 / 40, lease_seconds=60, back_seconds=30)
    found = run(at(*[0.0] * 40), worker(fixed=1, batch=1), faults=faults, seed=3)
    assert np.isfinite(found.finished).sum() >= 39
    # One is lost, and comes back with a sweep at a full minute.
    assert found.finished.max() >= 60
    calm = run(at(*[0.0] * 40), worker(fixed=1, batch=1))
    assert calm.finished.max() == 40


def test_more_workers_are_never_slower() -> None:
    arrivals = poisson(2.5, 5000)
    means = [
        run(arrivals, worker(batch=2, ahead=True), number).times.mean() for number in (2, 3, 5)
    ]
    assert means == sorted(means, reverse=True)


def test_workers_are_added_and_removed_as_the_chart_says() -> None:
    scaling = Scaling(least=0, jobs_per_worker=200, start_seconds=45)
    burst = at(*[10.0] * 1000)
    found = run(burst, worker(fixed=0, per_image=0.1, batch=32), 4, scaling=scaling)
    # The first look after the burst is at 15 s; nothing is claimed before a worker has started.
    assert found.claimed.min() == pytest.approx(60)
    assert found.most_workers == 4
    assert found.times.max() < 60 + 1000 * 0.1 / 4 + 20
    one = run(burst, worker(fixed=0, per_image=0.1, batch=32), 1, scaling=scaling)
    assert one.times.max() > 100


def test_idle_workers_are_removed_one_after_the_other() -> None:
    scaling = Scaling(least=1, jobs_per_worker=10, start_seconds=0, cooldown_seconds=60)
    late = at(*[1.0] * 100, 3600)
    found = run(late, worker(fixed=10, batch=1), 10, scaling=scaling)
    assert found.most_workers == 10
    # Ten workers for an hour would be 36,000.
    assert found.worker_seconds < 12_000


def test_a_queue_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="worker"):
        run(at(1), worker(), 0)


def test_uploads_wait_for_portals_and_for_the_head_of_the_trail() -> None:
    assert one_by_one(np.array([0, 0.1, 5]), 1).tolist() == [1, 2, 6]
    random = np.random.default_rng(1)
    load = Load(36_000, 1)
    queued = {
        portals: arrive(load, UploadPath(portals, 20, 0.05, 1000), [36_000] * 2, random)
        for portals in (1, 2)
    }
    waits = {n: float((a.queued - a.sent).mean()) for n, a in queued.items()}
    # An M/D/1 queue at half of what it can do, and what else an upload takes.
    assert waits[1] == pytest.approx(0.05 + 0.5 * 0.05 / (2 * 0.5), rel=0.1)
    assert 0.05 < waits[2] < waits[1]
    busy = arrive(load, UploadPath(4, 20, 0.05, 9), [36_000], random)
    assert len(busy) / busy.queued[-1] == pytest.approx(9, rel=0.02)


def test_arrivals_have_the_rate_the_priorities_and_the_images_of_the_load() -> None:
    load = Load(3000, 1.5, priorities=(0.1, 0.2, 0.7))
    arrivals = arrive(load, UploadPath(), [3000, 0, 1500], np.random.default_rng(2))
    hours = np.bincount((arrivals.sent // 3600).astype(int), minlength=3)
    assert hours[0] == pytest.approx(4500, rel=0.06)
    assert hours[1] == 0
    assert hours[2] == pytest.approx(2250, rel=0.08)
    shares = np.bincount(arrivals.priorities, minlength=3) / len(arrivals)
    assert shares == pytest.approx([0.1, 0.2, 0.7], abs=0.03)
    assert (np.diff(arrivals.queued) >= 0).all()
