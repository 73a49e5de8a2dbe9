"""Traces of real processes, as a collector receives them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.dicom_files import dicom, phantom
from tests.server.conftest import TOKEN, Server, cookie_of
from tests.server.conftest import start_server as start_server
from tests.tracing.collector import Collector, seconds
from tests.tracing.collector import collecting as collecting
from tests.workers.conftest import CeleryProcess, start_scheduler, wait_until_finished
from tests.workers.conftest import _empty_broker as _empty_broker
from tests.workers.conftest import make_radiographs as make_radiographs
from tests.workers.conftest import model as model
from tests.workers.conftest import start as start
from webportal.accounts.models import User
from webportal.inference.models import Job, ModelVersion
from webportal.inference.queue import enqueue
from webportal.intake.batches.services import create_batch
from webportal.records.models import Radiograph

UPLOAD = "POST /uploads/<uuid:batch_id>/files"
BATCH_PHASES = ["claim", "predict", "read", "write back"]


@pytest.fixture
def only_at_the_end(collecting: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """Spans are sent when a process ends, and not before."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    return collecting


@pytest.fixture
def analyse_one(
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    make_radiographs: Callable[[int], list[Radiograph]],
    uploader: User,
) -> Callable[[], CeleryProcess]:
    """Queue an image outside of any request, and start a worker that analyses it."""

    def analyse() -> CeleryProcess:
        enqueue(make_radiographs(1)[0], uploader)
        worker = start()
        wait_until_finished(1)
        return worker

    return analyse


def _upload(server: Server, by: User, seed: int = 0, headers: dict[str, str] | None = None) -> int:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as asked:
        asked.request(
            "POST",
            f"/uploads/{create_batch(by).pk}/files",
            dicom(phantom(seed=seed), PatientName="Planted^Name"),
            {
                "Cookie": cookie_of(by),
                "X-CSRFToken": TOKEN,
                "X-File-Path": "planted.dcm",
                "Content-Type": "application/octet-stream",
                **(headers or {}),
            },
        )
        return asked.getresponse().status


def test_one_trace_leads_from_the_upload_to_the_stored_result(
    collecting: Collector,
    start_server: Callable[..., Server],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    uploader: User,
) -> None:
    assert _upload(start_server(), uploader) == 200
    start().wait_until_ready()
    wait_until_finished(1)
    [request] = collecting.wait_for(UPLOAD)
    assert (request.service, request.span.kind) == ("chestline-portal", Span.SPAN_KIND_SERVER)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": "200",
        "http.route": "/uploads/<uuid:batch_id>/files",
    }
    [image] = collecting.wait_for("analyse image")
    assert image.service == "chestline-worker"
    assert image.span.trace_id == request.span.trace_id
    assert image.span.parent_span_id == request.span.span_id
    job = Job.objects.get()
    assert image.attributes == {
        "chestline.job": str(job.pk),
        "chestline.attempt": "1",
        "chestline.outcome": "stored",
    }
    [batch] = collecting.wait_for("batch")
    assert batch.span.trace_id != request.span.trace_id
    assert [link.span_id for link in batch.span.links] == [request.span.span_id]
    assert [link.span_id for link in image.span.links] == [batch.span.span_id]
    phases = [
        each.span.name
        for each in collecting.received()
        if each.span.parent_span_id == batch.span.span_id
    ]
    assert sorted(phases) == BATCH_PHASES
    assert request.span.start_time_unix_nano < image.span.start_time_unix_nano
    assert batch.span.start_time_unix_nano == image.span.start_time_unix_nano
    # Only once the result is committed.
    assert job.finished_at is not None
    assert image.span.end_time_unix_nano > job.finished_at.timestamp() * 1e9


def test_a_batch_has_a_link_to_every_request(
    collecting: Collector,
    start_server: Callable[..., Server],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    uploader: User,
) -> None:
    server = start_server()
    for seed in range(3):
        assert _upload(server, uploader, seed) == 200
    start()
    wait_until_finished(3)
    requests = {each.span.span_id for each in collecting.wait_for(UPLOAD, 3)}
    [batch] = collecting.wait_for("batch")
    assert batch.attributes == {"chestline.images": "3"}
    assert {link.span_id for link in batch.span.links} == requests
    images = collecting.wait_for("analyse image", 3)
    assert {each.span.parent_span_id for each in images} == requests


def test_nothing_that_a_client_says_is_in_a_span(
    collecting: Collector, start_server: Callable[..., Server], uploader: User
) -> None:
    server = start_server()
    named = "70616e7465642d6e616d652d68657265"
    foreign = {
        "traceparent": f"00-{named}-00f067aa0ba902b7-01",
        "tracestate": "a=planted",
        "baggage": "name=planted",
    }
    assert _upload(server, uploader, headers=foreign) == 200
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as asked:
        asked.request("PLANTED", "/patients/planted?name=planted")
        asked.getresponse().read()
    [request] = collecting.wait_for(UPLOAD)
    assert request.span.trace_id.hex() != named
    collecting.wait_for("_OTHER")
    assert [body for body in collecting.bodies if b"planted" in body.lower()] == []


def test_a_job_of_which_nothing_is_known_is_traced_by_itself(
    collecting: Collector, analyse_one: Callable[[], CeleryProcess]
) -> None:
    """As of a portal that traces nothing, or of an earlier release."""
    analyse_one()
    [image] = collecting.wait_for("analyse image")
    assert not image.span.parent_span_id
    [batch] = collecting.wait_for("batch")
    assert not batch.span.links


def test_a_worker_that_stops_sends_its_last_spans(
    only_at_the_end: Collector, analyse_one: Callable[[], CeleryProcess]
) -> None:
    worker = analyse_one()
    assert only_at_the_end.requests == 0
    worker.stop()
    assert len(only_at_the_end.named("analyse image")) == 1


def test_the_scheduler_sends_a_span_for_each_task(
    collecting: Collector, start: Callable[..., CeleryProcess], model: ModelVersion
) -> None:
    start_scheduler(start)
    [sweep, *_] = collecting.wait_for("workers.tasks.sweep")
    assert sweep.service == "chestline-scheduler"


def test_a_portal_that_stops_sends_its_last_spans(
    only_at_the_end: Collector, start_server: Callable[..., Server]
) -> None:
    server = start_server()
    assert server.get("/sign-in")[0] == 200
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(20)
    assert [each.service for each in only_at_the_end.named("GET /sign-in")] == ["chestline-portal"]


def test_probes_are_not_traced(collecting: Collector, start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.get("/health/live")
    server.get("/sign-in")
    collecting.wait_for("GET /sign-in")
    assert [each.span.name for each in collecting.received()] == ["GET /sign-in"]


def test_a_collector_that_hangs_delays_nothing(
    collecting: Collector,
    start_server: Callable[..., Server],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    uploader: User,
) -> None:
    collecting.hangs = True
    server = start_server()
    worker = start()
    worker.wait_until_ready()
    for seed in range(3):
        assert _upload(server, uploader, seed) == 200
    wait_until_finished(3)
    assert collecting.requests > 0
    # Two seconds for what is being sent, and three for the rest, at the most.
    server.process.send_signal(signal.SIGTERM)
    assert seconds(lambda: server.process.wait(60)) < 10
    assert seconds(worker.stop) < 20
    assert server.log.read_text().count("takes no spans") == 1


def test_an_absent_collector_is_logged_once(
    start_server: Callable[..., Server], uploader: User, model: ModelVersion
) -> None:
    server = start_server(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY="50"
    )
    for seed in range(3):
        assert _upload(server, uploader, seed) == 200
    server.process.send_signal(signal.SIGTERM)
    assert seconds(lambda: server.process.wait(60)) < 10
    log = server.log.read_text()
    assert log.count("takes no spans") == 1
    assert "Traceback" not in log


_FILL = """
import os, time, resource, django
django.setup()
from webportal import tracing
tracing.start("test")
def fill(count):
    for _ in range(count):
        with tracing.span("span"):
            pass
fill(20_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fill(60_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
os._exit(0)
"""


def test_a_collector_that_hangs_takes_no_memory(collecting: Collector) -> None:
    collecting.hangs = True
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "webportal.settings"}
    command = [sys.executable, "-c", _FILL]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    # In kilobytes; without a limit, 60,000 spans take more than 60 MB.
    assert int(done.stdout) < 8_000


def test_without_a_collector_nothing_of_opentelemetry_is_loaded() -> None:
    code = (
        "import sys, django; django.setup()\n"
        "import webportal.wsgi\n"
        "from webportal import tracing\n"
        "tracing.start('test')\n"
        "with tracing.span('span') as span: assert span is None\n"
        "assert tracing.traceparent() == ''\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    environment["DJANGO_SETTINGS_MODULE"] = "webportal.settings"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_without_the_packages_the_portal_says_so_and_works(
    collecting: Collector, start_server: Callable[..., Server], tmp_path: Path, uploader: User
) -> None:
    missing = tmp_path / "missing" / "opentelemetry"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ImportError")
    server = start_server(PYTHONPATH=str(missing.parent))
    assert _upload(server, uploader) == 200
    assert "make install EXTRAS=tracing" in server.log.read_text()
    assert collecting.requests == 0
