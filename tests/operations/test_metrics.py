"""/metrics in Prometheus' text format, for those allowed to scrape it."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests import dicom_files
from tests.delivery.rows import make_delivery, make_pacs
from tests.factories import make_job, make_worker
from tests.network.rows import make_node, make_received
from webportal.accounts.models import User
from webportal.audit.anchors import anchor
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.delivery.models import Delivery, DeliveryState, Destination
from webportal.inference.claims import ClaimedJob
from webportal.inference.models import JobState, Worker
from webportal.inference.presence import report_alive
from webportal.inference.worker_metrics import Measured
from webportal.intake.batches.services import create_batch
from webportal.intake.pipeline import receive_files
from webportal.network.models import InboxState
from webportal.notifications.alerts import ALERTS
from webportal.storage import storage_from_url

pytestmark = pytest.mark.django_db

SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]+"(,[a-z]+="[^"]+")*\})? [0-9.e+-]+')


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


def test_reports_of_workers_are_summed_as_prometheus_expects(
    client: Client, settings: Settings, uploader: User
) -> None:
    settings.METRICS_TOKEN = "of the tests"
    measured = Measured()
    for number, waited in ((1, 0.3), (5, 20.0)):
        jobs = [ClaimedJob(uuid4(), 1, uuid4(), "", "", 2, "", waited) for _ in range(number)]
        measured.claimed(jobs)
        measured.ended([job.id for job in jobs], is_stored=number == 1)
    with measured.phase("predict"):
        pass
    report_alive("a", "cpu", "1", measured.as_json())
    # One of an earlier release reports nothing.
    make_worker("b")
    samples = scrape(client)
    of_a = 'worker="a"'

    def count_of(until: str, le: str) -> float:
        return samples[f'chestline_job_seconds_bucket{{le="{le}",until="{until}",{of_a}}}']

    found = [count_of("claimed", le) for le in ("0.25", "0.5", "10", "30", "+Inf")]
    assert found == [0, 1, 1, 6, 6]
    assert count_of("stored", "+Inf") == 1
    assert samples[f'chestline_job_seconds_sum{{until="claimed",{of_a}}}'] == pytest.approx(100.3)
    assert samples[f'chestline_batch_images_bucket{{le="4",{of_a}}}'] == 1
    assert samples[f"chestline_batch_images_count{{{of_a}}}"] == 2
    assert samples[f'chestline_batch_seconds_count{{phase="predict",{of_a}}}'] == 1
    assert not any('worker="b"' in sample for sample in samples)


def test_uploads_are_counted_by_verdict(
    client: Client, settings: Settings, uploader: User, tmp_path: Path
) -> None:
    settings.METRICS_TOKEN = "of the tests"
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(f"file://{tmp_path}")}
    settings.UPLOAD_MIN_FREE_BYTES = 0
    before = scrape(client)
    image = io.BytesIO(dicom_files.png(dicom_files.phantom()))
    files = [("a.png", image), ("b.txt", io.BytesIO(b"no image"))]
    receive_files(create_batch(uploader), files, uploader)
    after = scrape(client)
    for sample in (
        'chestline_uploaded_files_total{verdict="accepted"}',
        'chestline_uploaded_files_total{verdict="refused"}',
        'chestline_upload_seconds_count{step="store"}',
    ):
        assert after[sample] - before.get(sample, 0) == 1, sample


def test_an_empty_queue_has_every_sample_too(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "of the tests"
    samples = scrape(client)
    assert samples['chestline_jobs{state="queued"}'] == 0
    assert samples["chestline_oldest_queued_seconds"] == 0


def test_every_alert_of_hospital_it_has_a_sample(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "of the tests"
    samples = scrape(client)
    named = {name for name in samples if name.startswith("chestline_alert{")}
    assert named == {f'chestline_alert{{code="{code}"}}' for code in ALERTS}
    assert samples['chestline_alert{code="no_worker"}'] == 1
    Worker.objects.create(name="a", started_at=timezone.now(), last_seen_at=timezone.now())
    assert scrape(client)['chestline_alert{code="no_worker"}'] == 0


def test_the_inbox_is_counted(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "of the tests"
    node = make_node()
    make_received(node, InboxState.WAITING, received_at=timezone.now() - timedelta(minutes=10))
    make_received(node, InboxState.REFUSED)
    make_received(node, InboxState.DISCARDED)
    samples = scrape(client)
    assert samples['chestline_received_instances{state="waiting"}'] == 1
    assert samples['chestline_received_instances{state="refused"}'] == 1
    assert samples['chestline_received_instances{state="found"}'] == 0
    assert 600 <= samples["chestline_oldest_received_seconds"] < 700


def test_deliveries_are_counted_unless_their_destination_was_removed(
    client: Client, settings: Settings
) -> None:
    settings.METRICS_TOKEN = "of the tests"
    pacs = make_pacs()
    make_delivery(pacs)
    make_delivery(pacs, DeliveryState.STORED)
    make_delivery(pacs, DeliveryState.REJECTED)
    make_delivery(pacs, DeliveryState.DELIVERED)
    Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=10))
    samples = scrape(client)
    assert samples['chestline_deliveries{state="waiting"}'] == 1
    assert samples['chestline_deliveries{state="stored"}'] == 1
    assert samples['chestline_deliveries{state="rejected"}'] == 1
    assert 600 <= samples["chestline_oldest_delivery_seconds"] < 700
    Destination.objects.update(is_paused=True)
    assert scrape(client)["chestline_oldest_delivery_seconds"] == 0
    Destination.objects.update(removed_at=timezone.now())
    assert scrape(client)['chestline_deliveries{state="rejected"}'] == 0


def test_the_ages_of_anchor_and_verification_are_told(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "of the tests"
    assert "chestline_audit_anchor_age_seconds" not in scrape(client)
    append(Event(Action.SIGNED_IN), "ann")
    anchor()
    assert 0 <= scrape(client)["chestline_audit_anchor_age_seconds"] < 60


def test_requests_are_measured_by_url_pattern_and_class_of_status(
    client: Client, settings: Settings
) -> None:
    settings.METRICS_TOKEN = "of the tests"
    client.get("/health/live")
    client.get("/operations/workers/Sophie/drain")
    client.get("/patients/of/Sophie")
    before = scrape(client)
    client.get("/health/live")
    after = scrape(client)
    live = 'chestline_request_seconds_count{route="/health/live",status="2xx"}'
    assert after[live] == before[live] + 1
    longest = 'chestline_request_seconds_bucket{le="+Inf",route="/health/live",status="2xx"}'
    assert after[longest] == after[live]
    routes = set(re.findall(r'route="([^"]*)"', "".join(after)))
    assert {"/operations/workers/<str:name>/drain", "other"} <= routes
    assert "Sophie" not in "".join(after)


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
