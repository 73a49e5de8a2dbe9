"""The planner finds the least number of workers, and says when no number is enough."""

import math
from dataclasses import replace

import pytest

from webportal.operations.capacity.assumptions import (
    FLAT,
    Assumptions,
    BatchTime,
    Load,
    Scaling,
    UploadPath,
    WorkerSpeed,
)
from webportal.operations.capacity.planner import (
    MOST_USE,
    CapacityPlan,
    CapacityTarget,
    Obstacle,
    SimulatedFigure,
    TooManyImagesError,
    estimate,
    plan,
)
from webportal.operations.capacity.words import headline, interval_text

# Ten images a second.
SPEED = WorkerSpeed(BatchTime(0.2, 0.1), BatchTime(0, 0.1), batch_size=16)
# One in ten seconds.
SLOW = WorkerSpeed(BatchTime(0, 10), BatchTime(0, 10), batch_size=4)
PATH = UploadPath(portals=10, commits_per_second=5000)
DAY = tuple(0.1 if hour < 7 or hour > 18 else 1.0 for hour in range(24))
TARGET = CapacityTarget(within_seconds=10, replications=3, most_images=4_000)


def answer_for(
    images_per_second: float,
    target: CapacityTarget = TARGET,
    path: UploadPath = PATH,
    speed: WorkerSpeed = SPEED,
    profile: tuple[float, ...] = FLAT,
    scaling: Scaling | None = None,
) -> CapacityPlan:
    load = Load(images_per_second * 3600, 1, profile)
    return plan(Assumptions(load, speed, path, scaling=scaling), target)


def test_the_least_number_keeps_up_and_one_fewer_does_not() -> None:
    for rate in (2.0, 25.0, 60.0):
        answer = answer_for(rate)
        assert answer.workers == math.ceil(rate / 10 / MOST_USE)
        by_number = {option.workers: option for option in answer.options}
        assert by_number[answer.workers].is_enough
        assert by_number[answer.workers].use == pytest.approx(rate / 10 / answer.workers)
        assert answer.obstacle is None


def test_a_tighter_limit_needs_at_least_as_many() -> None:
    found = [
        answer_for(28, replace(TARGET, within_seconds=within)).workers or 0
        for within in (1.0, 2.0, 10.0)
    ]
    assert min(found) > 0
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_times_fall_with_every_worker() -> None:
    times = [option.worst.mean for option in answer_for(28).options]
    assert times == sorted(times, reverse=True)


def test_the_same_seed_gives_the_same_answer() -> None:
    assert answer_for(15) == answer_for(15)
    assert answer_for(15).options != answer_for(15, replace(TARGET, seed=9)).options


def test_portals_and_the_trail_can_be_the_limit() -> None:
    few = UploadPath(portals=1, files_per_second=20, commits_per_second=5000)
    answer = answer_for(50, path=few)
    assert (answer.workers, answer.obstacle) == (None, Obstacle.PORTALS)
    assert answer.portal_use == pytest.approx(2.5)
    assumptions = Assumptions(Load(50 * 3600, 1), SPEED, few)
    assert "At least 3 portals" in headline(assumptions, TARGET, answer)

    trail = UploadPath(portals=10, files_per_second=20, commits_per_second=40)
    answer = answer_for(50, path=trail)
    assert (answer.workers, answer.obstacle) == (None, Obstacle.TRAIL)
    assumptions = Assumptions(Load(50 * 3600, 1), SPEED, trail)
    assert "audit trail" in headline(assumptions, TARGET, answer)


def test_nothing_is_simulated_where_workers_make_no_difference() -> None:
    # A day of simulated images in each of the replications would take minutes.
    endless = replace(TARGET, within_seconds=86_400, most_simulated=1)
    few = UploadPath(portals=1, files_per_second=20, commits_per_second=5000)
    trail = UploadPath(portals=1000, files_per_second=20, commits_per_second=40)
    for path in (few, trail):
        answer = answer_for(1000, endless, path)
        assert (answer.images, answer.options, answer.backlog) == (0, [], [])
    late = answer_for(1, path=replace(PATH, upload_seconds=12))
    assert (late.obstacle, late.options) == (Obstacle.UPLOAD, [])
    assert late.floor is not None
    assert late.floor > 12


def test_no_more_is_simulated_than_the_question_allows() -> None:
    needed = answer_for(15, TARGET)
    enough = len(needed.options) * needed.images
    assert answer_for(15, replace(TARGET, most_simulated=enough)) == needed
    with pytest.raises(TooManyImagesError):
        answer_for(15, replace(TARGET, most_simulated=enough - 1))


def test_no_number_of_slow_workers_is_enough() -> None:
    slow = WorkerSpeed(BatchTime(20, 0), BatchTime(20, 0))
    answer = answer_for(1, speed=slow)
    assert (answer.workers, answer.obstacle) == (None, Obstacle.WORKER)
    # The table shows what some achieve all the same.
    assert all(not option.is_enough for option in answer.options)
    uploads = replace(PATH, upload_seconds=12)
    assert answer_for(1, path=uploads).obstacle == Obstacle.UPLOAD


def test_a_night_may_work_off_the_day() -> None:
    # Three workers keep up with the busy hours, two with the day as a whole.
    target = replace(TARGET, within_seconds=1800, most_images=20_000)
    keeps_up = answer_for(0.25, target, profile=DAY, speed=SLOW)
    patient = answer_for(0.25, replace(target, within_seconds=12 * 3600), profile=DAY, speed=SLOW)
    assert (keeps_up.workers, patient.workers) == (3, 2)
    assert max(patient.backlog) > 10 * max(keeps_up.backlog)


def test_the_backlog_of_a_day_follows_its_hours_and_is_left_out_if_too_long() -> None:
    answer = answer_for(0.25, profile=DAY, speed=SLOW)
    assert len(answer.backlog) == 96
    assert sum(answer.backlog[40:48]) > 3 * sum(answer.backlog[0:8])
    assert answer_for(0.25, replace(TARGET, most_images_of_a_day=100)).backlog == []


def test_a_busy_installation_is_simulated_for_a_part_of_its_busiest_hour() -> None:
    answer = answer_for(300, path=replace(PATH, portals=40))
    assert answer.slots == 1
    assert answer.slot_seconds < 60
    # Long enough to see waits as long as the limit.
    assert answer.slot_seconds >= TARGET.within_seconds
    assert answer.workers == math.ceil(30 / MOST_USE)


def test_with_scaling_the_least_upper_limit_is_found() -> None:
    target = replace(TARGET, within_seconds=120, most_images=30_000)
    answer = answer_for(25, target, scaling=Scaling(least=1, jobs_per_worker=20))
    assert answer.workers is not None
    assert answer.workers >= 3


def test_an_interval_is_that_of_student() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found is not None
    assert found.mean == 2
    assert found.high - found.mean == pytest.approx(4.30 / math.sqrt(3))
    assert found.low == 0
    assert estimate([None, 5.0]) == SimulatedFigure(5, 5, 5)
    assert estimate([None]) is None
    assert interval_text(None) == "–"
    assert interval_text(SimulatedFigure(42, 40, 44)) == "42 s (40 s to 44 s)"
    assert interval_text(SimulatedFigure(math.inf, math.inf, math.inf)) == "no result"
