"""A worker whose work on a shadow trial ends in errors, without its processes."""

import threading
import time
from typing import NoReturn

import pytest
from django.utils import timezone

from tests.factories import make_model_version, make_prediction
from tests.oversight.cases import make_shadow
from webportal.accounts.models import User
from webportal.oversight.models import Shadow, ShadowResult
from workers.engine import Engine
from workers.shadowing import Shadowing

pytestmark = pytest.mark.django_db(transaction=True)


def have_one_waiting(shadow: Shadow) -> None:
    seen = make_prediction(model_version=shadow.beside)
    ShadowResult.objects.create(shadow=shadow, radiograph=seen.radiograph, prediction=seen)


def look(work: Shadowing) -> None:
    """Look once, and wait for what that begins."""
    work.look()
    for thread in threading.enumerate():
        if thread.name == "shadow":
            thread.join()


def test_errors_of_a_finished_trial_are_not_attributed_to_the_next(
    it_person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError

    monkeypatch.setattr("workers.shadowing.begin_loading", fail)
    monkeypatch.setattr("workers.shadowing._FIRST_RETRY_SECONDS", 0.0)
    first = make_shadow(it_person)
    have_one_waiting(first)
    work = Shadowing(Engine("a@test", lambda: False), lambda: False)
    time.sleep(0.01)  # the engine is idle for a moment
    for _attempt in range(2):
        look(work)
    Shadow.objects.update(ended_at=timezone.now(), end="stopped")
    second = Shadow.objects.create(
        model_version=make_model_version("test-3"),
        beside=first.beside,
        share=100,
        started_at=timezone.now(),
        started_by=it_person,
        ends_at=first.ends_at,
        planned_until=timezone.now(),
    )
    look(work)
    second.refresh_from_db()
    assert second.failing == ""
    have_one_waiting(second)
    for _attempt in range(3):
        look(work)
    second.refresh_from_db()
    assert second.failing == "a@test"
