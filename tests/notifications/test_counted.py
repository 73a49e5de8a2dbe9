"""Notifications with a count: studies assigned, and studies signed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import PASSWORD
from tests.factories import make_study
from webportal.accounts.models import Role, User
from webportal.notifications import run
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import mark_read
from webportal.records.choices import ReadingState
from webportal.records.models import IdentityCorrection, Study
from webportal.records.services import change_patient
from webportal.review.models import Addendum, Decision, Pneumonia, Read, ReadState
from webportal.review.worklist.bulk import assign

pytestmark = pytest.mark.django_db

A_WHILE = timedelta(minutes=5)


@pytest.fixture
def coordinator(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, Role.COORDINATOR)


def told(person: User) -> list[tuple[str, int]]:
    return list(
        Notification.objects.filter(recipient=person, read_at=None).values_list("kind", "studies")
    )


def assign_a_while_ago(reader: User | None, by: User, count: int = 1) -> list[Study]:
    studies = [make_study() for _ in range(count)]
    assign([study.pk for study in studies], reader, by)
    Study.objects.filter(pk__in=[each.pk for each in studies], assigned_at__isnull=False).update(
        assigned_at=timezone.now() - A_WHILE
    )
    return studies


def sign_a_while_ago(study: Study, reader: User, ago: timedelta = A_WHILE) -> None:
    Study.objects.filter(pk=study.pk).update(reading_state=ReadingState.SIGNED)
    Read.objects.create(
        study=study,
        reader=reader,
        state=ReadState.SIGNED,
        decision=Decision.UNAIDED,
        pneumonia=Pneumonia.NONE,
        signed_at=timezone.now() - ago,
    )


def test_a_reader_is_notified_once_of_the_number_of_assigned_studies(
    radiologist: User, coordinator: User
) -> None:
    assign_a_while_ago(radiologist, coordinator, 3)
    run.create_due()
    run.create_due()
    assert told(radiologist) == [(NotificationKind.STUDIES_ASSIGNED, 3)]
    assert told(coordinator) == []


def test_an_unread_notification_is_updated_and_a_read_one_is_followed_by_another(
    radiologist: User, coordinator: User
) -> None:
    assign_a_while_ago(radiologist, coordinator, 2)
    run.create_due()
    Notification.objects.update(counted_until=timezone.now() - 2 * A_WHILE)
    Study.objects.update(assigned_at=timezone.now() - 3 * A_WHILE)
    assign_a_while_ago(radiologist, coordinator, 1)
    run.create_due()
    assert told(radiologist) == [(NotificationKind.STUDIES_ASSIGNED, 3)]
    mark_read(radiologist)
    assert told(radiologist) == []
    run.create_due()
    assert told(radiologist) == []
    Notification.objects.update(counted_until=timezone.now() - 2 * A_WHILE)
    run.create_due()
    assert told(radiologist) == [(NotificationKind.STUDIES_ASSIGNED, 1)]


def test_neither_self_assignment_nor_a_lost_assignment_is_notified(
    radiologist: User, coordinator: User
) -> None:
    assign_a_while_ago(coordinator, coordinator)
    (study,) = assign_a_while_ago(radiologist, coordinator)
    assign([study.pk], None, coordinator)
    run.create_due()
    assert told(coordinator) == []
    assert told(radiologist) == []


def test_an_uploader_is_notified_once_the_signature_is_final(
    radiologist: User, uploader: User
) -> None:
    fresh, old = make_study(created_by=uploader), make_study(created_by=uploader)
    sign_a_while_ago(fresh, radiologist, ago=timedelta(seconds=20))
    run.create_due()
    assert told(uploader) == []
    sign_a_while_ago(old, radiologist)
    run.create_due()
    assert told(uploader) == [(NotificationKind.STUDIES_SIGNED, 1)]


def test_the_signer_of_their_own_upload_is_not_notified(radiologist: User) -> None:
    sign_a_while_ago(make_study(created_by=radiologist), radiologist)
    run.create_due()
    assert told(radiologist) == []


def test_a_study_awaiting_another_read_is_not_reported_as_signed(
    radiologist: User, uploader: User
) -> None:
    study = make_study(created_by=uploader)
    sign_a_while_ago(study, radiologist)
    Study.objects.update(reading_state=ReadingState.UNREAD)
    run.create_due()
    assert told(uploader) == []


def test_a_notification_states_the_number_and_links_to_the_studies(
    client: Client, radiologist: User, coordinator: User
) -> None:
    assign_a_while_ago(radiologist, coordinator, 2)
    run.create_due()
    client.login(username=radiologist.username, password=PASSWORD)
    page = client.get("/notifications/")
    assert "2 studies were assigned to you" in page.text
    (notification,) = page.context["page"]
    answer = client.get(f"/notifications/{notification.pk}")
    assert answer.headers["Location"] == "/worklist?assigned=me"
    assert told(radiologist) == []


def test_a_clinician_is_told_of_an_addendum_and_once(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    referrer = make_user(Role.REFERRER, username="referrer")
    studies = [make_study(referrer=referrer) for _ in range(2)]
    for study in studies:
        sign_a_while_ago(study, radiologist, timedelta(hours=3))
    run.create_due()
    assert told(referrer) == [(NotificationKind.REPORTS_READY, 2)]
    mark_read(referrer)
    Notification.objects.update(counted_until=timezone.now() - timedelta(hours=1))
    run.create_due()
    assert told(referrer) == []
    for reason in ("Apex", "Base"):
        Addendum.objects.create(
            read=studies[0].reads.get(),
            author=radiologist,
            reason=reason,
            text="A pneumothorax.",
            signed_at=timezone.now() - A_WHILE,
        )
    # A study that goes to another reader has no report by now.
    Study.objects.filter(pk=studies[1].pk).update(reading_state=ReadingState.UNREAD)
    Addendum.objects.create(
        read=studies[1].reads.get(), author=radiologist, reason="x", text="y",
        signed_at=timezone.now() - A_WHILE,
    )  # fmt: skip
    run.create_due()
    assert told(referrer) == [(NotificationKind.REPORTS_READY, 1)]
    run.create_due()
    assert told(referrer) == [(NotificationKind.REPORTS_READY, 1)]
    # The uploader of the images is not notified.
    assert not Notification.objects.filter(
        kind=NotificationKind.STUDIES_SIGNED, studies__gt=2
    ).exists()


def test_a_clinician_is_told_that_a_report_was_on_somebody_else(
    radiologist: User, make_user: Callable[..., User]
) -> None:
    referrer = make_user(Role.REFERRER, username="referrer")
    study, same = (make_study(referrer=referrer) for _ in range(2))
    for each in (study, same):
        sign_a_while_ago(each, radiologist, timedelta(hours=3))
    run.create_due()
    mark_read(referrer)
    Notification.objects.update(counted_until=timezone.now() - timedelta(hours=1))
    change_patient(study.patient, {"patient_id": "ANOTHER"}, radiologist, "Two labels swapped")
    IdentityCorrection.objects.update(at=timezone.now() - A_WHILE)
    run.create_due()
    assert told(referrer) == [(NotificationKind.REPORTS_READY, 1)]
