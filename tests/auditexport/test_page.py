"""Hospital IT sees how far the export is."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from webportal.accounts.models import User
from webportal.audit.models import Action, ChainHead
from webportal.audit.trail import Event, append
from webportal.auditexport import health
from webportal.auditexport.models import Target
from webportal.auditexport.sending import send_some
from webportal.notifications.alerts import current_alerts

pytestmark = pytest.mark.django_db
ADDRESS = "syslog+tcp://127.0.0.1:1"


@pytest.fixture
def client(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


def test_the_page_of_the_queue_shows_what_waits_and_why(client: Client, settings: Settings) -> None:
    assert "Export of the audit trail" not in client.get("/operations").text
    settings.AUDIT_EXPORT = ADDRESS
    append(Event(Action.JOB_QUEUED))
    send_some(30)
    page = client.get("/operations").text
    waiting = ChainHead.objects.get().sequence
    assert ADDRESS in page
    assert f"{waiting} entries are still to be sent" in page
    assert "Connection refused" in page
    Target.objects.update(position=waiting, error="")
    page = client.get("/operations").text
    assert "everything has arrived" in page
    assert "Last confirmed" in page


def test_hospital_it_is_alerted(settings: Settings) -> None:
    settings.AUDIT_EXPORT = ADDRESS
    append(Event(Action.JOB_QUEUED))
    assert health.LATE not in [alert.code for alert in current_alerts()]
    settings.AUDIT_EXPORT_LATE_MINUTES = 0
    assert health.LATE in [alert.code for alert in current_alerts()]
