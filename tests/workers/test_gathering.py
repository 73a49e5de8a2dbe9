"""A batch that was not full is followed by another no sooner than others can have come in."""

import threading
import time
from collections import Counter

import numpy as np
import pytest
from django.db import connection
from numpy.typing import NDArray
from pytest_django.fixtures import Settings

from tests.factories import make_job
from tests.workers.stand_in import StandIn, states
from webportal.inference.models import Job
from workers import engine as engine_module
from workers.engine import Engine

# Jobs are made by another thread, as by the portal.
pytestmark = pytest.mark.django_db(transaction=True)


def batch_sizes() -> list[int]:
    """How many images each batch had, in the order of the claims."""
    claimed = Counter(Job.objects.order_by("started_at").values_list("started_at", flat=True))
    return list(claimed.values())


def test_images_that_come_one_after_the_other_are_gathered(
    engine: Engine, stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "GATHER_SECONDS", 1.5)
    arriving: list[threading.Timer] = []

    def arrive() -> None:
        make_job()
        connection.close()

    def expect_others(batch: NDArray[np.uint8]) -> bool:
        if not arriving:
            arriving.extend(threading.Timer(seconds, arrive) for seconds in (0.1, 0.3))
            for timer in arriving:
                timer.start()
        return False

    stand_in.refuses = staticmethod(expect_others)
    make_job()
    engine.drain()
    for timer in arriving:
        timer.join()
    assert states() == ["done"] * 3
    assert batch_sizes() == [1, 2]


def test_a_full_batch_is_followed_by_the_next_at_once(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INFERENCE_BATCH_SIZE = 2
    monkeypatch.setattr(engine_module, "GATHER_SECONDS", 30)
    for _ in range(4):
        make_job()
    began = time.monotonic()
    engine.drain()
    assert batch_sizes() == [2, 2]
    assert time.monotonic() - began < 30
