"""Readers are notified when an arbitration overrules them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import make_study
from webportal.accounts.models import Role, User
from webportal.notifications import run
from webportal.notifications.models import Notification, NotificationKind
from webportal.records.choices import ReadingState
from webportal.records.models import Study
from webportal.review.models import Decision, Pneumonia, Read, ReadKind, ReadState

pytestmark = pytest.mark.django_db


@pytest.fixture
def readers(make_user: Callable[..., User]) -> list[User]:
    return [make_user(Role.RADIOLOGIST, username=f"reader{n}") for n in range(3)]


def read_three_times(readers: list[User], findings: list[Pneumonia], minutes_ago: int = 5) -> Study:
    study = make_study(reading_state=ReadingState.SIGNED)
    for reader, kind, said in zip(readers, ReadKind, findings, strict=True):
        Read.objects.create(
            study=study,
            reader=reader,
            kind=kind,
            state=ReadState.SIGNED,
            decision=Decision.UNAIDED,
            pneumonia=said,
            signed_at=timezone.now() - timedelta(minutes=minutes_ago),
        )
    return study


def test_only_the_overruled_reader_is_notified_and_only_once(readers: list[User]) -> None:
    study = read_three_times(readers, [Pneumonia.NONE, Pneumonia.DEFINITE, Pneumonia.DEFINITE])
    run.create_due()
    run.create_due()
    (told,) = Notification.objects.filter(kind=NotificationKind.READ_OVERRULED)
    assert (told.recipient, told.kind, told.study) == (
        readers[0],
        NotificationKind.READ_OVERRULED,
        study,
    )


def test_not_before_the_arbitration_is_final(readers: list[User]) -> None:
    findings = [Pneumonia.NONE, Pneumonia.DEFINITE, Pneumonia.DEFINITE]
    read_three_times(readers, findings, minutes_ago=0)
    run.create_due()
    assert not Notification.objects.filter(kind=NotificationKind.READ_OVERRULED).exists()


def test_it_links_to_the_study(client: Client, readers: list[User]) -> None:
    study = read_three_times(readers, [Pneumonia.NONE, Pneumonia.DEFINITE, Pneumonia.DEFINITE])
    run.create_due()
    client.force_login(readers[0])
    page = client.get("/notifications/")
    assert "An arbitration overruled your read of a study" in page.text
    (told,) = page.context["page"]
    answer = client.get(f"/notifications/{told.pk}")
    assert answer.headers["Location"] == f"/studies/{study.pk}"
