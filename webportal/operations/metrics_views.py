"""`/metrics`: what Prometheus scrapes, computed from the database at each scrape.

The process itself measures only requests and uploads; workers report theirs with their heartbeats.

deploy/monitoring/ has the alert rules and the dashboard that use it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from hmac import compare_digest

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from webportal.accounts.models import Role, User
from webportal.audit.health import last_anchor_at, last_verified_at
from webportal.backups.health import latest_complete
from webportal.delivery.outbox import longest_wait, unsettled_by_state
from webportal.inference.health import jobs_by_state, queue_health, recent_workers
from webportal.inference.worker_metrics import cumulative
from webportal.intake import metrics as intake_metrics
from webportal.network.health import longest_in_inbox, undecided_by_state
from webportal.notifications.alerts import ALERTS, current_alerts
from webportal.operations.health_views import broker_answers
from webportal.operations.request_times import durations
from webportal.oversight.drift.health import latest_week
from webportal.records.choices import Priority
from webportal.records.file_faults import open_faults


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Text format 0.0.4, for the bearer of METRICS_TOKEN or a signed-in member of hospital IT."""
    if not _has_token(request) and not _is_hospital_it(request):
        return HttpResponse(
            "Send METRICS_TOKEN as 'Authorization: Bearer …', or sign in as hospital IT.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _has_token(request: HttpRequest) -> bool:
    wanted = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode()
    return bool(settings.METRICS_TOKEN) and compare_digest(given, wanted)


def _is_hospital_it(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.has_role(Role.IT)


class DatabaseCollector(Collector):
    """What the database contains: gauges, and the histograms of workers."""

    def collect(self) -> Iterator[GaugeMetricFamily | HistogramMetricFamily]:
        """Compute all of them."""
        yield from _queue()
        yield from _alerts()
        yield from _stored()
        yield from _audit()
        yield from _exchange()
        yield from _model()
        yield from _workers()


_registry = CollectorRegistry()
_registry.register(DatabaseCollector())
_registry.register(durations)
_registry.register(intake_metrics.verdicts)
_registry.register(intake_metrics.seconds)


def _queue() -> Iterator[GaugeMetricFamily]:
    health = queue_health()
    jobs = jobs_by_state()
    yield _gauge("chestline_jobs", "Jobs by state.", "state", jobs.items())
    yield _gauge(
        "chestline_queued_jobs",
        "Queued jobs by priority.",
        "priority",
        ((priority.name.lower(), count) for priority, count in health.queued.items()),
    )
    yield _gauge(
        "chestline_queue_paused",
        "1 while hospital IT has paused the jobs of a priority.",
        "priority",
        ((priority.name.lower(), int(priority in health.paused)) for priority in Priority),
    )
    yield _number(
        "chestline_jobs_awaiting_release",
        "Quarantined jobs that nobody has released.",
        health.awaiting_release,
    )
    yield _number(
        "chestline_oldest_queued_seconds",
        "How long the oldest queued job waits.",
        health.oldest_wait.total_seconds(),
    )
    yield _number(
        "chestline_queue_stuck",
        "1 while jobs wait although workers are idle.",
        int(health.is_stuck),
    )
    yield _number(
        "chestline_jobs_finished_last_hour",
        "Jobs with a result within the last hour.",
        health.finished_last_hour,
    )
    yield _gauge("chestline_workers", "Workers by state.", "state", health.workers.items())
    if health.free_bytes is not None:
        yield _number(
            "chestline_storage_free_bytes", "Free bytes of the storage.", health.free_bytes
        )


def _alerts() -> Iterator[GaugeMetricFamily]:
    """Every alert of hospital IT, whether or not the scheduler runs to notify anybody."""
    present = {alert.code for alert in current_alerts()}
    yield _gauge(
        "chestline_alert",
        "1 while hospital IT is alerted to this; see docs/runbook.md.",
        "code",
        ((code, int(code in present)) for code in sorted(ALERTS)),
    )
    yield _number("chestline_broker_up", "1 if the broker responds.", int(broker_answers()))


def _stored() -> Iterator[GaugeMetricFamily]:
    yield _number(
        "chestline_stored_file_faults",
        "Stored files that are missing or damaged.",
        open_faults().count(),
    )
    complete = latest_complete()
    if complete is not None:
        yield from _age(
            "chestline_backup_age_seconds",
            "How long ago the last complete backup was begun.",
            complete.started_at,
        )
        yield _number("chestline_backup_bytes", "Size of the last complete backup.", complete.bytes)


def _audit() -> Iterator[GaugeMetricFamily]:
    yield from _age(
        "chestline_audit_anchor_age_seconds",
        "How long ago the last anchor of the audit trail was written.",
        last_anchor_at(),
    )
    yield from _age(
        "chestline_audit_verification_age_seconds",
        "How long ago the last verification of the audit trail ended.",
        last_verified_at(),
    )


def _exchange() -> Iterator[GaugeMetricFamily]:
    """What arrived over the DICOM network, and what is sent to destinations."""
    yield _gauge(
        "chestline_received_instances",
        "Instances in the DICOM inbox that are not yet imported, by state.",
        "state",
        undecided_by_state().items(),
    )
    yield _number(
        "chestline_oldest_received_seconds",
        "How long the oldest instance in the DICOM inbox waits to be imported.",
        longest_in_inbox().total_seconds(),
    )
    yield _gauge(
        "chestline_deliveries",
        "Deliveries to current destinations that are not known to have arrived, by state.",
        "state",
        unsettled_by_state().items(),
    )
    yield _number(
        "chestline_oldest_delivery_seconds",
        "How long the oldest delivery waits whose destination is not paused.",
        longest_wait().total_seconds(),
    )


def _model() -> Iterator[GaugeMetricFamily]:
    """How much the model's scores have changed; no gauge if that is unknown."""
    week = latest_week()
    if week is not None and week.psi is not None:
        yield _number(
            "chestline_model_score_psi",
            "Population stability index of the model's scores in the last complete week.",
            week.psi,
        )


def _workers() -> Iterator[HistogramMetricFamily]:
    """What each worker has measured since it started."""
    jobs = HistogramMetricFamily(
        "chestline_job_seconds",
        "Time since jobs were queued, until a worker claimed them and until their results were"
        " stored.",
        labels=["worker", "until"],
    )
    phases = HistogramMetricFamily(
        "chestline_batch_seconds",
        "How long batches took to read, to predict and to write back.",
        labels=["worker", "phase"],
    )
    images = HistogramMetricFamily(
        "chestline_batch_images", "How many images batches had.", labels=["worker"]
    )
    for worker in recent_workers():
        measured = worker.measured
        # A worker of an earlier release measures nothing.
        if not measured:
            continue
        for until, histogram in measured["jobs"].items():
            jobs.add_metric([worker.name, until], *cumulative(histogram))
        for phase, histogram in measured["phases"].items():
            phases.add_metric([worker.name, phase], *cumulative(histogram))
        images.add_metric([worker.name], *cumulative(measured["images"]))
    yield from (jobs, phases, images)


def _age(name: str, explanation: str, since: datetime | None) -> Iterator[GaugeMetricFamily]:
    """Seconds since a time; no gauge if there is none."""
    if since is not None:
        yield _number(name, explanation, (timezone.now() - since).total_seconds())


def _number(name: str, explanation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, explanation, value=value)


def _gauge(
    name: str, explanation: str, label: str, values: Iterable[tuple[str, int]]
) -> GaugeMetricFamily:
    """A gauge with one label."""
    family = GaugeMetricFamily(name, explanation, labels=[label])
    for label_value, value in values:
        family.add_metric([label_value], value)
    return family
