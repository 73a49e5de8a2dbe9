"""How many workers one machine runs."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from deploy.local import scaling
from deploy.local.__main__ import _workers
from deploy.local.errors import ServiceError
from deploy.local.scaling import COOLDOWN_SECONDS, JOBS_PER_WORKER, Scale, worker_numbers
from deploy.local.supervisor import Program, Supervisor
from tests import services
from tests.factories import make_job
from tests.helpers import wait_until
from webportal.inference.models import Job


@pytest.mark.parametrize(("text", "numbers"), [("1", (1, 1)), ("3", (3, 3)), ("1-4", (1, 4))])
def test_the_setting(text: str, numbers: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHESTLINE_WORKERS", text)
    assert worker_numbers() == numbers


@pytest.mark.parametrize("text", ["", "0", "4-1", "0-3", "many", "1-", "65", "1-2-3"])
def test_a_setting_that_makes_no_sense_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHESTLINE_WORKERS", text)
    with pytest.raises(ServiceError, match=r"such as 1-4"):
        worker_numbers()


def test_more_are_wanted_at_once_and_fewer_only_after_a_while() -> None:
    scale = Scale(1, 4)
    assert scale.decide(0, 0) == 1
    assert scale.decide(JOBS_PER_WORKER, 5) == 1
    assert scale.decide(JOBS_PER_WORKER + 1, 10) == 2
    assert scale.decide(100 * JOBS_PER_WORKER, 15) == 4
    assert scale.decide(0, 20) == 4
    # In between they were needed again.
    assert scale.decide(4 * JOBS_PER_WORKER, 15 + COOLDOWN_SECONDS - 1) == 4
    assert scale.decide(0, 15 + COOLDOWN_SECONDS + 1) == 4
    assert scale.decide(0, 15 + 2 * COOLDOWN_SECONDS) == 1


def test_the_first_workers_are_the_wanted_ones() -> None:
    scale = Scale(2, 3)
    workers = _workers(scale, [])
    assert [worker.name for worker in workers] == ["worker", "worker-2", "worker-3"]
    assert [worker.is_wanted() for worker in workers] == [True, True, False]
    scale.wanted = 3
    assert all(worker.is_wanted() for worker in workers)


@pytest.mark.django_db(transaction=True)
def test_waiting_work_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(scaling, "JOBS_PER_WORKER", 1)
    monkeypatch.setattr(scaling, "COOLDOWN_SECONDS", 0.0)
    scale = Scale(1, 3)
    url = urlsplit(services.postgres.url)
    scale.follow(url._replace(path=f"/{connection.settings_dict['NAME']}").geturl())
    for _ in range(2):
        make_job()
    wait_until(lambda: scale.wanted == 2, "two workers were wanted")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE '%inference_queuepause%' AND pid <> pg_backend_pid()"
        )
    Job.objects.all().delete()
    wait_until(lambda: scale.wanted == 1, "one worker was wanted, through a lost connection")
    scale.stop()


def test_the_supervisor_starts_what_is_wanted_and_stops_it_in_good_order(tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = f"""
import signal, sys, time
def stop(*_):
    print('stop', file=open({str(told)!r}, 'a'))
    sys.exit()
signal.signal(signal.SIGTERM, stop)
print('start', file=open({str(told)!r}, 'a'), flush=True)
time.sleep(600)
"""
    wanted = threading.Event()
    extra = Program("extra", [sys.executable, "-c", code], is_wanted=wanted.is_set)
    always = Program("always", [sys.executable, "-c", "import time; time.sleep(600)"])
    supervised = Supervisor([always, extra], [], dict(os.environ), tmp_path)
    seen: list[str] = []

    def words() -> str:
        return told.read_text() if told.exists() else ""

    def until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        seen.append(words())

    def change() -> None:
        time.sleep(0.5)
        until(lambda: True)
        wanted.set()
        until(lambda: "start" in words())
        wanted.clear()
        until(lambda: "stop" in words() and extra.process is None)
        wanted.set()
        until(lambda: words().count("start") == 2)
        os.kill(os.getpid(), signal.SIGINT)

    supervised.run(is_ready=lambda: True, on_ready=threading.Thread(target=change).start)
    assert seen == ["", "start\n", "start\nstop\n", "start\nstop\nstart\n"]
