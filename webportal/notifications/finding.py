"""Finding out what people are to be notified of.

Run by the scheduler at intervals. Nothing is kept between two runs: what has been told is in the
rows, so a scheduler that was stopped goes on where it was, and two of them tell nothing twice.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef
from django.utils import timezone

from webportal.inference.models import Job, JobState
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.notifications import alerts, corrections, counted, overruled, stat_studies
from webportal.notifications.models import Kind, Notification
from webportal.notifications.services import mail_state_for, mail_wanted

#: A sender may not have announced how many files there are: then silence is the end.
QUIET = timedelta(seconds=60)
#: A batch that is older is no news, were it the first run ever.
LOOK_BACK = timedelta(days=7)


def find() -> int:
    """Note what people are to be told now; return how many notifications there are more."""
    told = [_note(_done_batches()), stat_studies.note(), counted.note(), overruled.note()]
    told.append(corrections.note())
    return sum(told) + alerts.note()


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


@transaction.atomic
def _note(notifications: list[Notification]) -> int:
    wanted = mail_wanted(Kind.BATCH_DONE, {each.recipient_id for each in notifications})
    for each in notifications:
        for name, value in mail_state_for(each.recipient_id in wanted).items():
            setattr(each, name, value)
    # Another scheduler may have noted the same meanwhile.
    Notification.objects.bulk_create(notifications, ignore_conflicts=True)
    return len(notifications)
