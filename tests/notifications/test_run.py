"""Recipients of notifications, and that nobody is notified twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from tests.factories import make_job, make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.inference.models import Job, JobState
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.notifications import run
from webportal.notifications.listing import notifications_of, unread_count
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import mark_read
from webportal.records.choices import Category, Priority, ReadingState
from webportal.records.models import Study
from webportal.review.models import ReadingPreference

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
    """A stat study that came so long ago; "" is the category of one without a result."""
    study = make_study(**{"priority": Priority.STAT} | fields)
    image = make_radiograph(study)
    if category:
        make_prediction(image, category)
    study.created_at = timezone.now() - ago
    Study.objects.filter(pk=study.pk).update(created_at=study.created_at)
    return study


# ── A batch ─────────────────────────────────────────────────────────────────────────────────────


def test_the_uploader_is_notified_once_that_a_batch_is_done(
    add: Callable[..., UploadItem], batch: UploadBatch, uploader: User, radiologist: User
) -> None:
    add()
    assert run.create_due() == 1
    assert run.create_due() == 0
    told = Notification.objects.get()
    assert (told.recipient, told.kind, told.batch) == (uploader, NotificationKind.BATCH_DONE, batch)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_batch_with_an_image_left_to_analyse_is_not_done(
    state: str, add: Callable[..., UploadItem]
) -> None:
    add()
    item = add(state)
    assert run.create_due() == 0
    Job.objects.filter(radiograph=item.radiograph).update(
        state=JobState.CANCELLED, leased_until=None, finished_at=timezone.now()
    )
    assert run.create_due() == 1


def test_a_batch_is_not_done_before_every_announced_file_is_there(
    add: Callable[..., UploadItem], batch: UploadBatch
) -> None:
    add()
    services.announce(batch, 2)
    assert run.create_due() == 0
    add()
    assert run.create_due() == 1


def test_a_batch_is_not_done_while_files_arrive(add: Callable[..., UploadItem]) -> None:
    add(ago=timedelta(seconds=5))
    assert run.create_due() == 0


def test_an_empty_batch_is_not_notified(batch: UploadBatch) -> None:
    assert run.create_due() == 0


def test_old_batches_are_not_notified(add: Callable[..., UploadItem], batch: UploadBatch) -> None:
    add()
    UploadBatch.objects.update(created_at=timezone.now() - timedelta(days=30))
    assert run.create_due() == 0


# ── A stat study ────────────────────────────────────────────────────────────────────────────────


def test_every_radiologist_is_notified_once_of_all_waiting_stat_studies(
    make_user: Callable[..., User], radiologist: User, uploader: User
) -> None:
    other = make_user("radiologist", username="other")
    stopped = make_user("radiologist", username="stopped")
    User.objects.filter(pk=stopped.pk).update(is_active=False)
    make_stat()
    longest = make_stat(ago=timedelta(hours=5))
    assert run.create_due() == 2
    assert run.create_due() == 0
    assert {each.recipient for each in Notification.objects.all()} == {radiologist, other}
    for told in Notification.objects.all():
        assert (told.studies, told.waiting_since) == (2, longest.created_at)
        assert told.category == Category.LIKELY


def test_an_unread_notification_is_updated_with_the_waiting_studies(radiologist: User) -> None:
    first = make_stat()
    run.create_due()
    make_stat()
    make_stat()
    assert run.create_due() == 0
    assert Notification.objects.get().studies == 3
    Study.objects.filter(pk=first.pk).update(reading_state=ReadingState.SIGNED)
    run.create_due()
    assert Notification.objects.get().studies == 2


def test_once_read_it_is_repeated_when_another_study_starts_to_wait(radiologist: User) -> None:
    make_stat()
    run.create_due()
    mark_read(radiologist)
    assert run.create_due() == 0, "it is known already"
    Notification.objects.update(read_at=timezone.now() - timedelta(minutes=5))
    make_stat(ago=timedelta(minutes=32))
    assert run.create_due() == 1
    assert Notification.objects.get(read_at=None).studies == 2


def test_once_read_it_is_repeated_after_an_interval_if_studies_still_wait(
    radiologist: User,
) -> None:
    make_stat()
    run.create_due()
    Notification.objects.update(read_at=timezone.now() - timedelta(minutes=59))
    assert run.create_due() == 0
    Notification.objects.update(read_at=timezone.now() - timedelta(minutes=61))
    assert run.create_due() == 1
    assert unread_count(radiologist) == 1


def test_those_who_read_first_are_notified_of_all_waiting_studies_without_results(
    radiologist: User,
) -> None:
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    came = timezone.now() - LONG_AGO
    for category in (Category.LIKELY, Category.UNLIKELY):
        make_stat(category)
    make_stat("")
    Study.objects.update(created_at=came)
    make_stat(ago=timedelta(minutes=3))
    run.create_due()
    told = Notification.objects.get()
    assert (told.category, told.studies, told.waiting_since) == ("", 3, came)


def test_notifications_that_reveal_results_are_hidden_from_new_first_readers(
    radiologist: User,
) -> None:
    make_stat()
    run.create_due()
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    assert not notifications_of(radiologist).exists()
    run.create_due()
    assert notifications_of(radiologist).get().category == ""


def test_a_blind_second_reader_is_notified_without_results(
    radiologist: User, make_user: Callable[..., User], settings: LazySettings
) -> None:
    settings.SECOND_READING = settings.SECOND_READING_BLIND_TO_AI = True
    auditor = make_user("radiologist", "auditor", username="auditor")
    make_stat()
    run.create_due()
    assert Notification.objects.get(recipient=radiologist).category == ""
    assert Notification.objects.get(recipient=auditor).category == Category.LIKELY


@pytest.mark.parametrize(
    "fields",
    [
        {"ago": timedelta(minutes=29)},
        {"priority": Priority.URGENT},
        {"reading_state": ReadingState.SIGNED},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_nobody_is_notified_of_other_studies(fields: dict[str, Any], radiologist: User) -> None:
    make_stat(**fields)
    assert run.create_due() == 0


@pytest.mark.parametrize(
    "category",
    [
        Category.UNLIKELY,
        Category.INDETERMINATE,
        Category.NOT_ASSESSABLE,
        "",
    ],
)
def test_no_result_of_the_model_silences_a_stat_study(category: str, radiologist: User) -> None:
    make_stat(category)
    assert run.create_due() == 1
    assert Notification.objects.get().category == ""
    make_stat()
    run.create_due()
    # Not all of them are likely.
    told = Notification.objects.get()
    assert (told.studies, told.category) == (2, "")


def test_the_limit_is_a_setting(radiologist: User, settings: LazySettings) -> None:
    settings.STAT_UNREAD_MINUTES = 300
    make_stat()
    assert run.create_due() == 0


def test_studies_read_meanwhile_no_longer_wait(radiologist: User) -> None:
    study = make_stat()
    run.create_due()
    assert unread_count(radiologist) == 1
    Study.objects.filter(pk=study.pk).update(reading_state=ReadingState.SIGNED)
    run.create_due()
    assert unread_count(radiologist) == 0


def test_only_ones_own_notifications_are_marked(
    make_user: Callable[..., User], radiologist: User
) -> None:
    other = make_user("radiologist", username="other")
    make_stat()
    run.create_due()
    mark_read(radiologist, Notification.objects.get(recipient=other).pk)
    assert (unread_count(radiologist), unread_count(other)) == (1, 1)
    mark_read(radiologist)
    assert (unread_count(radiologist), unread_count(other)) == (0, 1)
