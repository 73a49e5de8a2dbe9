"""Who is told of what, and that nobody is told twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from tests.factories import make_job, make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.inference.models import Job, JobState
from webportal.intake import services
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.notifications import finding
from webportal.notifications.models import Kind, Notification
from webportal.notifications.services import mark_read, unread_count
from webportal.records.models import Category, Priority, ReadingState, Study

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(hours=2)


@pytest.fixture
def batch(uploader: User) -> UploadBatch:
    return services.create_batch(uploader)


@pytest.fixture
def add(batch: UploadBatch) -> Callable[..., UploadItem]:
    """Put a file into the batch, whose job is in the given state; it came two hours ago."""

    def added(state: str = JobState.DONE, ago: timedelta = LONG_AGO) -> UploadItem:
        radiograph = make_radiograph()
        make_job(radiograph, state)
        item = UploadItem.objects.create(
            batch=batch,
            file_name=f"{radiograph.pk}.dcm",
            sha256=radiograph.original_sha256,
            size=1,
            verdict=Verdict.ACCEPTED,
            radiograph=radiograph,
        )
        UploadItem.objects.filter(pk=item.pk).update(updated_at=timezone.now() - ago)
        return item

    return added


def make_stat(category: str = Category.LIKELY, ago: timedelta = LONG_AGO, **fields: Any) -> Study:
    """A stat study whose result came so long ago."""
    study = make_study(**{"priority": Priority.STAT} | fields)
    make_prediction(make_radiograph(study), category, created_at=timezone.now() - ago)
    return study


# ── A batch ─────────────────────────────────────────────────────────────────────────────────────


def test_the_uploader_is_told_once_that_a_batch_is_done(
    add: Callable[..., UploadItem], batch: UploadBatch, uploader: User, radiologist: User
) -> None:
    add()
    assert finding.find() == 1
    assert finding.find() == 0
    told = Notification.objects.get()
    assert (told.recipient, told.kind, told.batch) == (uploader, Kind.BATCH_DONE, batch)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_batch_with_an_image_left_to_analyse_is_not_done(
    state: str, add: Callable[..., UploadItem]
) -> None:
    add()
    item = add(state)
    assert finding.find() == 0
    Job.objects.filter(radiograph=item.radiograph).update(
        state=JobState.CANCELLED, leased_until=None, finished_at=timezone.now()
    )
    assert finding.find() == 1


def test_a_batch_is_not_done_before_every_announced_file_is_there(
    add: Callable[..., UploadItem], batch: UploadBatch
) -> None:
    add()
    services.announce(batch, 2)
    assert finding.find() == 0
    add()
    assert finding.find() == 1


def test_a_batch_is_not_done_while_files_arrive(add: Callable[..., UploadItem]) -> None:
    add(ago=timedelta(seconds=5))
    assert finding.find() == 0


def test_an_empty_batch_is_no_news(batch: UploadBatch) -> None:
    assert finding.find() == 0


def test_what_was_done_long_before_is_no_news(
    add: Callable[..., UploadItem], batch: UploadBatch
) -> None:
    add()
    UploadBatch.objects.update(created_at=timezone.now() - timedelta(days=30))
    assert finding.find() == 0


# ── A stat study ────────────────────────────────────────────────────────────────────────────────


def test_every_radiologist_is_told_once_of_a_stat_study_that_waits(
    make_user: Callable[..., User], radiologist: User, uploader: User
) -> None:
    other = make_user("radiologist", username="other")
    stopped = make_user("radiologist", username="stopped")
    User.objects.filter(pk=stopped.pk).update(is_active=False)
    study = make_stat()
    assert finding.find() == 2
    assert finding.find() == 0
    told = Notification.objects.filter(study=study)
    assert {each.recipient for each in told} == {radiologist, other}


@pytest.mark.parametrize(
    "fields",
    [
        {"category": Category.INDETERMINATE},
        {"ago": timedelta(minutes=29)},
        {"priority": Priority.URGENT},
        {"reading_state": ReadingState.SIGNED},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_nobody_is_told_of_other_studies(fields: dict[str, Any], radiologist: User) -> None:
    make_stat(**fields)
    assert finding.find() == 0


def test_the_limit_is_a_setting(radiologist: User, settings: LazySettings) -> None:
    settings.STAT_UNREAD_MINUTES = 300
    make_stat()
    assert finding.find() == 0


def test_what_has_been_read_meanwhile_waits_for_nobody(radiologist: User) -> None:
    study = make_stat()
    finding.find()
    assert unread_count(radiologist) == 1
    Study.objects.filter(pk=study.pk).update(reading_state=ReadingState.SIGNED)
    finding.find()
    assert unread_count(radiologist) == 0


def test_one_s_own_notifications_alone_are_marked(
    make_user: Callable[..., User], radiologist: User
) -> None:
    other = make_user("radiologist", username="other")
    make_stat()
    finding.find()
    mark_read(radiologist, Notification.objects.get(recipient=other).pk)
    assert (unread_count(radiologist), unread_count(other)) == (1, 1)
    mark_read(radiologist)
    assert (unread_count(radiologist), unread_count(other)) == (0, 1)
