"""Hospital IT is notified of problems once, and when they are resolved."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.delivery.rows import make_delivery, make_pacs
from tests.factories import make_job, make_radiograph, make_worker
from tests.helpers import make_read_only
from tests.network.rows import make_node, make_received
from webportal.accounts.models import Role, User
from webportal.delivery import health as delivery
from webportal.delivery.destinations import pause
from webportal.delivery.models import DeliveryState, Destination
from webportal.delivery.outbox import cancel
from webportal.inference import health
from webportal.inference.models import Job, JobState, Worker
from webportal.network import health as network
from webportal.network import inbox
from webportal.network.models import InboxState
from webportal.notifications import run
from webportal.notifications.alerts import ALERTS, PATIENCE
from webportal.notifications.mail import MOST_ATTEMPTS
from webportal.notifications.models import MailState, Notification, NotificationKind, SystemAlert
from webportal.notifications.services import choose
from webportal.storage import free_bytes, storage_from_url

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _worker(db: None) -> None:
    make_worker()


def find_after_patience() -> None:
    """Let the scheduler look twice, with PATIENCE between."""
    run.create_due()
    SystemAlert.objects.filter(cleared_at=None).update(since=timezone.now() - PATIENCE)
    run.create_due()


def told(person: User) -> list[str]:
    alerts = Notification.objects.filter(recipient=person, kind=NotificationKind.SYSTEM_ALERT)
    return sorted(alerts.values_list("alert__code", flat=True))


def stop_workers() -> None:
    Worker.objects.update(stopped_at=timezone.now())


def drain_workers() -> None:
    Worker.objects.update(is_draining=True)
    make_job()


def leave_a_job_waiting() -> None:
    make_job(queued_at=timezone.now() - timedelta(hours=1))


def lose_a_worker() -> None:
    make_worker("lost", last_seen_at=timezone.now() - timedelta(hours=1))


def quarantine() -> None:
    make_job(state=JobState.QUARANTINED)


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (stop_workers, "no_worker"),
        (drain_workers, "all_draining"),
        (leave_a_job_waiting, "queue_stuck"),
        (lose_a_worker, "worker_lost"),
        (quarantine, "quarantined"),
    ],
)
def test_every_member_of_it_is_notified_once(
    happens: Callable[[], None],
    code: str,
    it_person: User,
    radiologist: User,
    make_user: Callable[..., User],
) -> None:
    other = make_user(Role.IT, username="other")
    find_after_patience()
    assert told(it_person) == []
    happens()
    for _ in range(2):
        find_after_patience()
    assert told(it_person) == told(other) == [code]
    assert told(radiologist) == []


def test_a_disk_filling_up_is_alerted_before_uploads_are_refused(
    it_person: User, settings: Settings
) -> None:
    free = free_bytes()
    assert free is not None
    settings.UPLOAD_MIN_FREE_BYTES = free * 2 // 3
    find_after_patience()
    assert told(it_person) == ["storage_low"]
    settings.UPLOAD_MIN_FREE_BYTES = free * 2
    find_after_patience()
    assert told(it_person) == ["storage_full", "storage_low"]


def test_images_from_devices_that_wait_or_were_refused_raise_an_alert(
    it_person: User, settings: Settings, tmp_path: Path
) -> None:
    settings.DICOM_INBOX = tmp_path
    node = make_node()
    make_received(node, InboxState.WAITING)
    assert network.problems() == []
    long_ago = timezone.now() - network.LONGEST_WAIT
    make_received(node, InboxState.WAITING, received_at=long_ago)
    refused = make_received(node, InboxState.REFUSED)
    find_after_patience()
    assert told(it_person) == ["received_refused", "received_waiting"]
    inbox.discard(refused, it_person)
    make_received(None, InboxState.FOUND)
    assert network.REFUSED in network.problems()


def test_a_destination_that_rejects_or_is_away_for_long_is_told(it_person: User) -> None:
    pacs = make_pacs()
    Destination.objects.update(away_since=timezone.now())
    assert delivery.problems() == []
    row = make_delivery(pacs, DeliveryState.REJECTED)
    Destination.objects.update(away_since=timezone.now() - 2 * delivery.LONGEST_AWAY)
    find_after_patience()
    assert told(it_person) == ["delivery_away", "delivery_rejected"]
    pause(pacs, True, it_person)
    cancel([row.pk], it_person)
    assert delivery.problems() == []


def test_a_read_only_storage_alerts_hospital_it(
    it_person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(monkeypatch)
    find_after_patience()
    assert "storage_read_only" in told(it_person)


def test_a_storage_that_is_not_mounted_alerts_hospital_it(
    it_person: User, settings: Settings, tmp_path: Path
) -> None:
    make_radiograph()
    settings.STORAGES = settings.STORAGES | {
        "default": storage_from_url(f"file://{tmp_path}/elsewhere")
    }
    find_after_patience()
    assert "storage_away" in told(it_person)


@pytest.mark.parametrize(
    "fields",
    [
        {"mail_state": MailState.FAILED, "mail_attempts": MOST_ATTEMPTS},
        {"mail_state": MailState.DUE, "mail_attempts": 3, "mail_due_at": timezone.now()},
    ],
)
def test_failing_e_mail_is_reported_on_the_page(fields: dict[str, object], it_person: User) -> None:
    alert = SystemAlert.objects.create(code="gone", since=timezone.now(), cleared_at=timezone.now())
    Notification.objects.create(
        recipient=it_person, kind=NotificationKind.SYSTEM_ALERT, alert=alert, **fields
    )
    find_after_patience()
    assert "mail_failing" in told(it_person)


def test_a_problem_that_passes_quickly_alerts_nobody(it_person: User) -> None:
    stop_workers()
    run.create_due()
    Worker.objects.update(stopped_at=None)
    find_after_patience()
    assert told(it_person) == []


def test_a_cleared_alert_says_so_without_e_mail_and_is_sent_again_when_it_returns(
    client: Client, it_person: User, settings: Settings
) -> None:
    settings.MAIL_ENABLED = True
    choose(it_person, "it@example.org", [NotificationKind.SYSTEM_ALERT])
    quarantine()
    find_after_patience()
    assert Notification.objects.get().mail_state == MailState.DUE
    Job.objects.update(state=JobState.CANCELLED)
    run.create_due()
    assert Notification.objects.get().mail_state == MailState.NONE
    client.force_login(it_person)
    page = client.get("/notifications/").text
    assert "An image is in quarantine" in page
    assert "resolved" in page
    quarantine()
    find_after_patience()
    assert told(it_person) == ["quarantined", "quarantined"]


def test_it_leads_to_the_operations_page(client: Client, it_person: User) -> None:
    stop_workers()
    find_after_patience()
    client.force_login(it_person)
    (notification,) = Notification.objects.all()
    assert client.get(f"/notifications/{notification.pk}").headers["Location"] == "/operations"


def test_every_alert_has_its_text_in_notifications() -> None:
    """Without it, a notification shows the bare code."""
    of_the_queue = {each.code for each in vars(health).values() if isinstance(each, health.Alert)}
    assert of_the_queue <= ALERTS.keys()
