"""Finding what people are to be told, each thing once.

Run by the scheduler at intervals. Nothing is kept between two runs: what has been told is in the
rows, so a scheduler that was stopped goes on where it was, and two of them tell nothing twice.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.utils import timezone

from webportal.accounts.models import Role, User
from webportal.inference.models import Job, JobState, Prediction
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.notifications.models import Kind, MailChoice, MailState, Notification
from webportal.records.models import Category, Priority, ReadingState, Study

#: A sender may not have announced how many files there are: then silence is the end.
QUIET = timedelta(seconds=60)
#: What is older is no news, were it the first run ever.
LOOK_BACK = timedelta(days=7)


def find() -> int:
    """Note what people are to be told now; return how many notifications there are more."""
    settle()
    return _note(_done_batches()) + _note(_waiting_stat_studies())


def settle() -> None:
    """Take back what is no longer so: a stat study that somebody has read waits for nobody."""
    waiting = Notification.objects.filter(kind=Kind.STAT_UNREAD, read_at=None)
    settled = waiting.exclude(
        study__reading_state=ReadingState.UNREAD, study__second_reading__isnull=True
    )
    settled.filter(mail_state=MailState.DUE).update(
        mail_state=MailState.NONE, mail_due_at=None, read_at=timezone.now()
    )
    settled.update(read_at=timezone.now())


def _done_batches() -> list[Notification]:
    """Those batches that are complete, quiet, and have no image left to analyse."""
    now = timezone.now()
    items = UploadItem.objects.filter(batch=OuterRef("pk"))
    open_jobs = Job.objects.filter(
        state__in=(JobState.QUEUED, JobState.RUNNING),
        radiograph__upload_items__batch=OuterRef("pk"),
        radiograph__upload_items__verdict=Verdict.ACCEPTED,
    )
    told = Notification.objects.filter(batch=OuterRef("pk"))
    done = (
        UploadBatch.objects.filter(created_at__gt=now - LOOK_BACK, created_by__is_active=True)
        .filter(Exists(items), ~Exists(items.filter(updated_at__gt=now - QUIET)))
        .filter(~Exists(open_jobs), ~Exists(told))
        .annotate(received=Count("items"))
        .filter(received__gte=F("expected_files"))
        .select_related("created_by")
    )
    return [
        Notification(recipient=batch.created_by, kind=Kind.BATCH_DONE, batch=batch)
        for batch in done
    ]


def _waiting_stat_studies() -> list[Notification]:
    """Each radiologist is told of each stat study whose likely result waits for too long."""
    now = timezone.now()
    limit = timedelta(minutes=settings.STAT_UNREAD_MINUTES)
    results = Prediction.objects.filter(
        radiograph__study=OuterRef("pk"),
        is_current=True,
        category=Category.LIKELY,
        created_at__range=(now - LOOK_BACK, now - limit),
    )
    waiting = Study.objects.filter(
        Exists(results),
        priority=Priority.STAT,
        category=Category.LIKELY,
        reading_state=ReadingState.UNREAD,
        # Somebody has read it; whoever reads it next may have to do so without the model.
        second_reading__isnull=True,
    )
    studies = list(waiting)
    told = set(
        Notification.objects.filter(study__in=studies).values_list("study_id", "recipient_id")
    )
    radiologists = User.objects.filter(is_active=True, roles__contains=[Role.RADIOLOGIST])
    return [
        Notification(recipient=person, kind=Kind.STAT_UNREAD, study=study)
        for person in radiologists
        for study in studies
        if (study.pk, person.pk) not in told
    ]


@transaction.atomic
def _note(found: Iterable[Notification]) -> int:
    notifications = list(found)
    wanted = set(_mail_wanted({each.recipient_id for each in notifications}))
    for each in notifications:
        if (each.recipient_id, each.kind) in wanted:
            each.mail_state, each.mail_due_at = MailState.DUE, timezone.now()
    # Another scheduler may have noted the same meanwhile.
    Notification.objects.bulk_create(notifications, ignore_conflicts=True)
    return len(notifications)


def _mail_wanted(user_ids: Iterable[uuid.UUID]) -> Iterator[tuple[uuid.UUID, str]]:
    if not settings.MAIL_ENABLED:
        return
    choices = MailChoice.objects.filter(~Q(user__email=""), user__in=user_ids)
    for user_id, kinds in choices.values_list("user", "kinds"):
        for kind in kinds:
            yield user_id, kind
