"""Notifying uploaders that an upload of theirs is done."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef
from django.utils import timezone

from webportal.inference.models import Job, JobState
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import LOOK_BACK, mail_state_for, mail_wanted

#: If the number of files was not announced, the upload counts as done after this silence.
QUIET = timedelta(seconds=60)


@transaction.atomic
def create_due() -> int:
    """Notify each uploader once about each batch; return how many notifications were created."""
    done = _done()
    wanted = mail_wanted(NotificationKind.BATCH_DONE, {batch.created_by_id for batch in done})
    Notification.objects.bulk_create(
        (
            Notification(
                recipient_id=batch.created_by_id,
                kind=NotificationKind.BATCH_DONE,
                batch=batch,
                **mail_state_for(batch.created_by_id in wanted),
            )
            for batch in done
        ),
        # Another scheduler may have created it meanwhile.
        ignore_conflicts=True,
    )
    return len(done)


def _done() -> list[UploadBatch]:
    """Batches that are complete, quiet, and have no image left to analyse."""
    now = timezone.now()
    items = UploadItem.objects.filter(batch=OuterRef("pk"))
    open_jobs = Job.objects.filter(
        state__in=(JobState.QUEUED, JobState.RUNNING),
        radiograph__upload_items__batch=OuterRef("pk"),
        radiograph__upload_items__verdict=Verdict.ACCEPTED,
    )
    notified = Notification.objects.filter(batch=OuterRef("pk"))
    return list(
        UploadBatch.objects.filter(created_at__gt=now - LOOK_BACK, created_by__is_active=True)
        .filter(Exists(items), ~Exists(items.filter(updated_at__gt=now - QUIET)))
        .filter(~Exists(open_jobs), ~Exists(notified))
        .annotate(received=Count("items"))
        .filter(received__gte=F("expected_files"))
    )
