"""/metrics in Prometheus' text format, for those allowed to scrape it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories import make_job
from webportal.accounts.models import User
from webportal.inference.models import JobState, Worker

pytestmark = pytest.mark.django_db

SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[a-z]+"\})? [0-9.]+')


def scrape(client: Client) -> dict[str, float]:
    response = client.get("/metrics", headers={"Authorization": "Bearer of the tests"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = [line for line in response.text.splitlines() if not line.startswith("# ")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in samples)}


def test_values_match_the_database(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "of the tests"
    now = timezone.now()
    make_job(queued_at=now - timedelta(minutes=10))
    make_job(state=JobState.DONE)
    make_job(state=JobState.QUARANTINED)
    Worker.objects.create(name="a", started_at=now, last_seen_at=now)
    samples = scrape(client)
    assert samples['chestline_jobs{state="queued"}'] == 1
    assert samples['chestline_jobs{state="done"}'] == 1
    assert samples['chestline_jobs{state="cancelled"}'] == 0
    assert samples['chestline_queued_jobs{priority="routine"}'] == 1
    assert samples["chestline_jobs_awaiting_release"] == 1
    assert 600 <= samples["chestline_oldest_queued_seconds"] < 700
    assert samples["chestline_queue_stuck"] == 1
    assert samples['chestline_workers{state="idle"}'] == 1
    assert samples["chestline_storage_free_bytes"] > 0


def test_an_empty_queue_has_every_sample_too(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "of the tests"
    samples = scrape(client)
    assert samples['chestline_jobs{state="queued"}'] == 0
    assert samples["chestline_oldest_queued_seconds"] == 0


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "Bearer", "of the tests", "Bearer é"])
def test_a_wrong_token_is_refused(client: Client, settings: Settings, given: str) -> None:
    settings.METRICS_TOKEN = "of the tests"
    assert client.get("/metrics", headers={"Authorization": given}).status_code == 401


def test_no_token_is_accepted_unless_one_is_configured(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    for given in ("Bearer ", "Bearer", ""):
        assert client.get("/metrics", headers={"Authorization": given}).status_code == 401


def test_hospital_it_can_view_it_in_the_browser(
    it_person: User, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    assert sign_in(it_person).get("/metrics").status_code == 200
    assert sign_in(radiologist).get("/metrics").status_code == 401
