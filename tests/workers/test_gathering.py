"""A batch that was not full is followed by another no sooner than others can have come in."""

import time
from collections import Counter
from types import SimpleNamespace

import pytest
from pytest_django.fixtures import Settings

from tests.factories import make_job
from tests.workers.stand_in import states
from webportal.inference.models import Job
from webportal.inference.pacing import GATHER_SECONDS
from workers import engine as engine_module
from workers.engine import Engine

pytestmark = pytest.mark.django_db(transaction=True)


def batch_sizes() -> list[int]:
    """How many images each batch had, in the order of the claims."""
    claimed = Counter(Job.objects.order_by("started_at").values_list("started_at", flat=True))
    return list(claimed.values())


def test_images_that_come_one_after_the_other_are_gathered(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if not waits:
            make_job()
            make_job()
        waits.append(seconds)

    # For the engine alone: the sleep of others stays.
    monkeypatch.setattr(engine_module, "time", SimpleNamespace(**vars(time) | {"sleep": sleep}))
    make_job()
    engine.drain()
    assert states() == ["done"] * 3
    assert batch_sizes() == [1, 2]
    assert all(0 <= seconds <= GATHER_SECONDS for seconds in waits)


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
