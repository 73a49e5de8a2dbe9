"""Stat images that pass a batch that the engine has claimed ahead."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter

import numpy as np
import pytest
from django.db import connection
from numpy.typing import NDArray
from pytest_django.fixtures import Settings

from tests.factories import (
    make_job,
    make_model_version,
)
from tests.workers.stand_in import StandIn, states
from webportal.audit.models import AuditEntry
from webportal.inference.models import Job
from webportal.records.choices import Priority
from workers.engine import Engine

# Results are written back by another thread, which sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def while_on_the_device(stand_in: type[StandIn], happens: Callable[[int], None]) -> None:
    """Let something happen in the portal while each batch, by its number, is on the device."""
    numbers = itertools.count()

    def elsewhere() -> None:
        happens(next(numbers))
        connection.close()

    def wait_for_it(batch: NDArray[np.uint8]) -> bool:
        with ThreadPoolExecutor(1) as portal:
            portal.submit(elsewhere).result(timeout=20)
        return False

    stand_in.refuses = staticmethod(wait_for_it)


def batches() -> list[list[str]]:
    """The priorities of the images of each batch, in the order of the results."""
    jobs = Job.objects.order_by("finished_at", "priority")
    return [
        [job.get_priority_display() for job in of_batch]
        for _, of_batch in itertools.groupby(jobs, key=attrgetter("finished_at"))
    ]


@pytest.mark.parametrize("arrivals", [(0,), (0, 1)])
def test_stat_images_pass_the_batch_that_is_claimed_ahead(
    arrivals: tuple[int, ...], engine: Engine, stand_in: type[StandIn], settings: Settings
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    for _ in range(6):
        make_job()
    held: list[int] = []

    def arrive(number: int) -> None:
        held.append(len(engine.held_jobs()))
        if number in arrivals:
            make_job(priority=Priority.STAT)

    while_on_the_device(stand_in, arrive)
    engine.drain()
    routine, stat = ["Routine"] * 2, ["Stat"]
    assert batches() == [routine, *[stat] * len(arrivals), routine, routine]
    # What waits meanwhile is still held, so that its lease is renewed; no attempt was lost.
    assert held[1] >= 3
    assert set(Job.objects.values_list("attempt", flat=True)) == {1}
    assert not AuditEntry.objects.filter(action="job.returned").exists()


def test_a_batch_of_stat_images_at_most_passes_another(
    engine: Engine, stand_in: type[StandIn], settings: Settings
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    for _ in range(6):
        make_job()

    def arrive(number: int) -> None:
        if number < 5:
            make_job(priority=Priority.STAT)

    while_on_the_device(stand_in, arrive)
    engine.drain()
    routine, stat, mixed = ["Routine"] * 2, ["Stat"], ["Stat", "Routine"]
    assert batches() == [routine, stat, stat, routine, mixed, mixed, stat]


def test_stat_images_pass_no_earlier_ones(
    engine: Engine, stand_in: type[StandIn], settings: Settings
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    jobs = [make_job(priority=Priority.STAT) for _ in range(4)]

    def arrive(number: int) -> None:
        if number == 0:
            jobs.append(make_job(priority=Priority.STAT))

    while_on_the_device(stand_in, arrive)
    engine.drain()
    assert list(Job.objects.order_by("finished_at", "queued_at")) == jobs
    assert batches() == [["Stat"] * 2, ["Stat"] * 2, ["Stat"]]


def test_a_worker_that_stops_takes_no_stat_image_before(
    stand_in: type[StandIn], hints: list[bool], settings: Settings
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    make_model_version(is_active=True)
    for _ in range(4):
        make_job()
    numbers: list[int] = []

    def arrive(number: int) -> None:
        numbers.append(number)
        make_job(priority=Priority.STAT)

    while_on_the_device(stand_in, arrive)
    Engine("a", is_stopping=lambda: bool(numbers)).drain()
    assert states() == ["done"] * 2 + ["queued"] * 3
