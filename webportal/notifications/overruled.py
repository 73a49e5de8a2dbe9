"""Notifying readers whose read an arbitration overruled."""

from django.db.models import Exists, OuterRef
from django.utils import timezone

from webportal.notifications.counted import SETTLED
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import LOOK_BACK, mail_state_for, mail_wanted
from webportal.review.models import ReadKind
from webportal.review.reads.second_reading import disagree
from webportal.review.reads.standing import standing_reads


def create_due() -> int:
    """Notify each such reader once; return how many notifications were created."""
    until = timezone.now() - SETTLED
    arbitrations = standing_reads().filter(
        kind=ReadKind.ARBITRATION,
        signed_at__gt=until - LOOK_BACK,
        signed_at__lte=until,
    )
    notified = Notification.objects.filter(
        kind=NotificationKind.READ_OVERRULED, study=OuterRef("study"), recipient=OuterRef("reader")
    )
    found = []
    for arbitration in arbitrations:
        reads = standing_reads().filter(~Exists(notified), study=arbitration.study_id)
        others = reads.exclude(kind=ReadKind.ARBITRATION).exclude(reader=arbitration.reader_id)
        found += [read for read in others if disagree(read, arbitration)]
    wanted = mail_wanted(NotificationKind.READ_OVERRULED, {read.reader_id for read in found})
    Notification.objects.bulk_create(
        (
            Notification(
                recipient_id=read.reader_id,
                kind=NotificationKind.READ_OVERRULED,
                study_id=read.study_id,
                **mail_state_for(read.reader_id in wanted),
            )
            for read in found
        ),
        ignore_conflicts=True,
    )
    return len(found)
