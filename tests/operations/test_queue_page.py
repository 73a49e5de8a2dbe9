"""Hospital IT sees queue and workers, acts on them, and never sees patient data."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories import make_job, make_patient, make_radiograph, make_study, make_worker
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry
from webportal.inference.models import Job, JobState, PeriodLength, QueuePeriod, Worker
from webportal.records.choices import Priority


@pytest.fixture
def client(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


def states(client: Client) -> dict[str, str]:
    workers = client.get("/operations").context["workers"]
    return {worker.name: worker.state for worker, _work in workers}


def alerts(client: Client) -> list[str]:
    return [str(alert) for alert in client.get("/operations").context["alerts"]]


def test_the_state_of_every_worker(client: Client) -> None:
    now = timezone.now()
    make_worker("idle")
    make_worker("busy")
    make_worker("draining", is_draining=True)
    make_worker("lost", last_seen_at=now - timedelta(minutes=5))
    make_worker("stopped", stopped_at=now)
    make_worker("lost long ago", last_seen_at=now - timedelta(days=3))
    make_worker("stopped long ago", stopped_at=now - timedelta(days=3))
    make_job(state=JobState.RUNNING, worker="busy")
    make_job(state=JobState.RUNNING, worker="draining")
    assert states(client) == {
        name: name for name in ("idle", "busy", "draining", "lost", "stopped")
    }


def test_drain_and_resume_are_audited_once(client: Client, it_person: User) -> None:
    make_worker()
    for _ in range(2):
        assert client.post("/operations/workers/gpu-1/drain").status_code == 302
    assert states(client) == {"gpu-1": "draining"}
    for _ in range(2):
        client.post("/operations/workers/gpu-1/resume")
    assert states(client) == {"gpu-1": "idle"}
    entries = AuditEntry.objects.filter(object_id="gpu-1").order_by("sequence")
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        (Action.WORKER_DRAINED, it_person.pk),
        (Action.WORKER_RESUMED, it_person.pk),
    ]
    assert client.post("/operations/workers/gpu-9/drain").status_code == 404


def test_depth_wait_throughput_and_failures(client: Client) -> None:
    now = timezone.now()
    make_job(make_radiograph(make_study(priority=Priority.STAT)))
    make_job(queued_at=now - timedelta(hours=3, minutes=12))
    make_job(state=JobState.DONE)
    make_job(state=JobState.REFUSED, reason_code="not_frontal", reason="Lateral.")
    make_job(state=JobState.DONE, finished_at=now - timedelta(hours=2))
    for _ in range(2):
        make_job(state=JobState.QUARANTINED, reason_code="unreadable", reason="Cut short.")
    make_job(state=JobState.QUARANTINED, reason_code="old", finished_at=now - timedelta(days=2))

    response = client.get("/operations")
    health = response.context["health"]
    assert health.queued == {Priority.STAT: 1, Priority.URGENT: 0, Priority.ROUTINE: 1}
    assert health.oldest_wait_text == "3 h 12 min"
    assert health.finished_last_hour == 2
    assert health.awaiting_release == 3
    failures = [(item.reason.code, item.count) for item in response.context["failures"]]
    assert failures == [("unreadable", 2), ("not_frontal", 1)]


def test_no_worker_is_an_alert(client: Client) -> None:
    assert [alert for alert in alerts(client) if "No worker is running" in alert]
    make_worker()
    assert alerts(client) == []
    make_worker("gone", last_seen_at=timezone.now() - timedelta(minutes=5))
    assert [alert for alert in alerts(client) if "stopped responding" in alert]


def test_a_missing_broker_is_an_alert(client: Client, settings: Settings) -> None:
    assert "The broker is not responding." not in client.get("/operations").text
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    assert "The broker is not responding." in client.get("/operations").text


def test_workers_that_receive_no_hints_are_an_alert(client: Client) -> None:
    make_worker()
    job = make_job(queued_at=timezone.now() - timedelta(minutes=10))
    (alert,) = alerts(client)
    assert alert.startswith("Images are waiting although workers are idle.")
    Job.objects.filter(pk=job.pk).update(queued_at=timezone.now())
    assert alerts(client) == []


def test_a_long_queue_with_busy_workers_is_no_alert(client: Client) -> None:
    make_worker()
    make_job(state=JobState.RUNNING, worker="gpu-1")
    make_job(queued_at=timezone.now() - timedelta(minutes=10))
    assert alerts(client) == []


def test_only_draining_workers_are_an_alert_while_images_wait(client: Client) -> None:
    make_worker(is_draining=True)
    assert alerts(client) == []
    make_job()
    (alert,) = alerts(client)
    assert "every worker is draining" in alert


def test_a_quarantined_job_is_released(client: Client) -> None:
    job = make_job(state=JobState.QUARANTINED, reason="It killed the worker three times.")
    assert "It killed the worker three times." in client.get("/operations").text
    response = client.post(f"/operations/jobs/{job.pk}/release", follow=True)
    assert "The image is queued again." in response.text
    assert Job.objects.get(state=JobState.QUEUED).radiograph_id == job.radiograph_id
    assert list(response.context["quarantined"]) == []
    response = client.post(f"/operations/jobs/{job.pk}/release", follow=True)
    assert "was released already" in response.text
    assert audit_actions(action=Action.JOB_RELEASED) == [Action.JOB_RELEASED]


def test_a_queued_job_is_cancelled(client: Client) -> None:
    job = make_job()
    response = client.post(f"/operations/jobs/{job.pk}/cancel", follow=True)
    assert "The job is cancelled." in response.text
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    response = client.post(f"/operations/jobs/{job.pk}/cancel", follow=True)
    assert "nothing to cancel" in response.text


def test_the_queue_is_paused_by_priority_and_resumed(client: Client, it_person: User) -> None:
    def press(name: str, which: str = "") -> str:
        return client.post(f"/operations/{name}", {"which": which}, follow=True).text

    assert "The analysis of stat images is paused." in press("pause", "stat")
    assert "Somebody else has paused it already." in press("pause", "stat")
    text = press("pause")
    assert "The analysis of all images is paused." in text
    assert f"By {it_person}" in text
    assert 'id="pause-all"' not in text
    assert "There is no such priority." in press("pause", "later")
    press("resume")
    text = press("resume", "stat")
    assert "is paused" not in text
    assert "Somebody else has resumed it already." in press("resume", "stat")


def test_polling_gets_only_the_changing_part(client: Client) -> None:
    for part, words in (("status", "oldest wait"), ("jobs", "by reason"), ("upkeep", "Backups")):
        text = client.get(f"/operations?part={part}", headers={"HX-Request": "true"}).text
        assert words in text
        assert "<html" not in text


def test_no_patient_data_on_the_page_or_in_the_metrics(client: Client) -> None:
    study = make_study(
        patient=make_patient(name="Quokka^Sophie", patient_id="QUOKKA-1"),
        accession_number="QUOKKA-ACC",
        indication="Quokka cough",
    )
    for state in JobState:
        make_job(make_radiograph(study), state)
    for address in ("/operations", "/metrics"):
        assert "quokka" not in client.get(address).text.lower()


def test_all_jobs_in_quarantine_for_a_reason_are_released(client: Client, it_person: User) -> None:
    for _ in range(2):
        make_job(state=JobState.QUARANTINED, reason_code="worker_lost", reason="Lost.")
    assert "Release all" in client.get("/operations").text
    address = "/operations/jobs?change=release&reason=worker_lost"
    assert "2 images for this reason" in client.get(address).text
    assert Job.objects.filter(state=JobState.QUEUED).count() == 0
    chosen = {"change": "release", "reason": "worker_lost"}
    response = client.post("/operations/jobs", chosen, follow=True)
    assert "2 images were changed." in response.text
    assert Job.objects.filter(state=JobState.QUEUED).count() == 2
    assert "There is no such image any more." in client.get(address).text
    response = client.get("/operations/jobs?change=burn&reason=x", follow=True)
    assert "Choose a reason on this page." in response.text


def test_a_worker_is_shown_with_its_batch_speed_and_log(client: Client) -> None:
    now = timezone.now()
    make_worker(host="host-1", program_version="0.0.9", log_tail="10:00 INFO ready\n10:01 INFO <b>")
    make_job(state=JobState.RUNNING, worker="gpu-1")
    for _ in range(4):
        started = now - timedelta(seconds=62)
        finished = started + timedelta(seconds=2)
        make_job(state=JobState.DONE, worker="gpu-1", started_at=started, finished_at=finished)
    text = client.get("/operations/workers/gpu-1").text
    for words in ("host-1", "0.0.9", "10:01 INFO &lt;b&gt;", "2.0 while busy", "1 image, since"):
        assert words in text
    assert "2.0" in client.get("/operations?part=status", headers={"HX-Request": "true"}).text
    part = client.get("/operations/workers/gpu-1", headers={"HX-Request": "true"}).text
    assert "host-1" in part
    assert "<html" not in part
    assert client.get("/operations/workers/gpu-9").status_code == 404


def test_a_worker_is_told_to_stop_once_and_stays_drained(client: Client, it_person: User) -> None:
    make_worker()
    for _ in range(2):
        text = client.post("/operations/workers/gpu-1/stop", follow=True).text
    assert "It takes no images until you resume it." in text
    assert audit_actions(object_id="gpu-1", actor_id=it_person.pk) == [Action.WORKER_STOPPED]
    Worker.objects.update(stopped_at=timezone.now())
    assert (
        "This worker is not running."
        in client.post("/operations/workers/gpu-1/stop", follow=True).text
    )
    client.post("/operations/workers/gpu-1/resume")
    assert not Worker.objects.get().is_draining


def test_the_command_lists_and_stops_workers(it_person: User) -> None:
    make_worker()
    said = StringIO()
    call_command("workers", "stop", "gpu-1", stdout=said)
    assert said.getvalue().startswith("gpu-1  draining  GPU 0")
    with pytest.raises(CommandError, match="There is no worker gpu-9"):
        call_command("workers", "drain", "gpu-9")
    call_command("workers", "resume", "gpu-1", stdout=said)
    assert audit_actions(object_id="gpu-1") == [Action.WORKER_STOPPED, Action.WORKER_RESUMED]


def test_plots_and_their_tables(client: Client) -> None:
    start = timezone.now().replace(minute=0, second=0, microsecond=0)
    figures = {
        "arrived": {"stat": 3, "routine": 1234},
        "results": {"done": 40, "refused": 2},
        "times": {"stat": [2.4, 61.0]},
        "reasons": {"no_contrast": 2},
        "workers": {"gpu-1": [42, 1800.0]},
        "free_bytes": 5 * 1024**3,
    }
    QueuePeriod.objects.create(
        length=PeriodLength.HOUR,
        starts_at=start - timedelta(hours=1),
        ends_at=start,
        computed_at=start + timedelta(minutes=2),
        figures=figures,
    )
    text = client.get("/operations").text
    assert text.count("<svg") >= 6
    assert "style=" not in text
    assert "no_contrast 2" in text
    assert "gpu-1 50 %" in text
    table = client.get("/operations?as=tables").text
    for words in ("1,234", "2.4 s", "1 min", "50 %", "5 GB"):
        assert words in table
    assert "The last 30 days" in client.get("/operations?span=month").text
