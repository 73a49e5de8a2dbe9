"""The badge, the list and the e-mail preferences."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.intake.batches import services as intake
from webportal.notifications import run
from webportal.notifications.listing import unread_count
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import chosen_kinds
from webportal.records.choices import Category, Priority
from webportal.records.models import Study
from webportal.review.models import ReadingPreference

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(radiologist: User) -> Study:
    """A stat study of which the radiologist was told."""
    study = make_study(priority=Priority.STAT)
    then = timezone.now() - timedelta(hours=1)
    make_prediction(make_radiograph(study), Category.LIKELY)
    Study.objects.filter(pk=study.pk).update(created_at=then)
    run.create_due()
    return study


def test_the_badge_on_every_page_counts_unread_notifications(
    waiting: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(radiologist)
    assert "Notifications: 1 unread" in client.get("/worklist").text
    assert "Notifications: 1 unread" in client.get("/notifications/badge").text
    client.post("/notifications/read")
    assert "Notifications: 0 unread" in client.get("/notifications/badge").text


def test_opening_one_shows_the_waiting_studies_and_marks_it_as_read(
    waiting: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(radiologist)
    told = Notification.objects.get()
    page = client.get("/notifications/").text
    assert f"/notifications/{told.pk}" in page
    assert "1 stat study with a likely result has waited unread for longer than 30 minutes" in page
    worklist = client.get(f"/notifications/{told.pk}")["Location"]
    assert worklist == "/worklist?priority=0"
    assert str(waiting.pk) in client.get(worklist).text
    assert unread_count(radiologist) == 0


def test_those_who_read_first_are_shown_no_result(
    waiting: Study, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    told = Notification.objects.get()
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    client = sign_in(radiologist)
    assert "likely" not in client.get("/notifications/").text
    Study.objects.update(created_at=timezone.now() - timedelta(hours=1))
    run.create_due()
    page = client.get("/notifications/").text
    assert "1 stat study has waited unread for longer than 30 minutes" in page
    assert "likely" not in page
    assert client.get(f"/notifications/{told.pk}")["Location"] == "/worklist?priority=0"


def test_a_batch_notification_opens_its_results(
    uploader: User, sign_in: Callable[[User], Client]
) -> None:
    batch = intake.create_batch(uploader, name="Night shift")
    told = Notification.objects.create(
        recipient=uploader, kind=NotificationKind.BATCH_DONE, batch=batch
    )
    client = sign_in(uploader)
    assert "Night shift" in client.get("/notifications/").text
    assert client.get(f"/notifications/{told.pk}")["Location"] == f"/uploads/{batch.pk}/results"


def test_nobody_can_open_another_users_notification(
    waiting: Study, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    told = Notification.objects.get()
    assert sign_in(uploader).get(f"/notifications/{told.pk}").status_code == 404


def test_the_preferences_are_saved_and_audited(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(radiologist)
    answer = {"email": "reader@hospital.example", "kinds": [NotificationKind.STAT_UNREAD.value]}
    assert client.post("/notifications/preferences", answer).status_code == 302
    radiologist.refresh_from_db()
    assert radiologist.email == "reader@hospital.example"
    assert chosen_kinds(radiologist) == [NotificationKind.STAT_UNREAD]
    assert audit_actions()[-1] == "notification.chosen"
    assert "checked" in client.get("/notifications/preferences").text
    client.post("/notifications/preferences", {"email": ""})
    assert chosen_kinds(radiologist) == []


def test_e_mail_needs_an_address(radiologist: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(radiologist)
    response = client.post(
        "/notifications/preferences", {"kinds": [NotificationKind.STAT_UNREAD.value]}
    )
    assert "Enter the e-mail address" in response.text
    assert chosen_kinds(radiologist) == []


def test_only_kinds_for_the_users_roles_are_offered(
    uploader: User, sign_in: Callable[[User], Client]
) -> None:
    client = sign_in(uploader)
    page = client.get("/notifications/preferences").text
    assert "One of my uploads has finished" in page
    assert "stat study" not in page
    answer = {"email": "u@hospital.example", "kinds": [NotificationKind.STAT_UNREAD.value]}
    client.post("/notifications/preferences", answer)
    assert chosen_kinds(uploader) == []
