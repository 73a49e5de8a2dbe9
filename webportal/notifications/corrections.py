"""Notifying readers that the identity under which they signed a read was corrected."""

import uuid

from django.db.models import Exists, F, OuterRef

from webportal.accounts.departments import sees
from webportal.accounts.models import Role
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import close, mail_state_for, mail_wanted
from webportal.records.models import CorrectionSeen
from webportal.review.models import Read, ReadState


def create_due() -> int:
    """Notify readers of corrections; return how many notifications were created.

    People who made the correction or acknowledged it on the page are not notified.
    """
    unread = Notification.objects.filter(kind=NotificationKind.IDENTITY_CORRECTED, read_at=None)
    known = CorrectionSeen.objects.filter(
        reader=OuterRef("recipient"), correction=OuterRef("correction")
    )
    close(unread.filter(Exists(known)))
    to_notify = _reads_to_notify()
    wanted = mail_wanted(
        NotificationKind.IDENTITY_CORRECTED, {reader for reader, _correction in to_notify}
    )
    Notification.objects.bulk_create(
        (
            Notification(
                recipient_id=reader,
                kind=NotificationKind.IDENTITY_CORRECTED,
                correction_id=correction,
                **mail_state_for(reader in wanted),
            )
            for reader, correction in to_notify
        ),
        ignore_conflicts=True,
    )
    return len(to_notify)


def _reads_to_notify() -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Pairs of reader and correction that have not been notified yet."""
    signed = Read.objects.filter(
        state=ReadState.SIGNED, reader__is_active=True, reader__roles__contains=[Role.RADIOLOGIST]
    ).annotate(
        correction=F("study__identity_corrections"),
        corrected_at=F("study__identity_corrections__at"),
        corrected_by=F("study__identity_corrections__corrected_by"),
    )
    notified = Notification.objects.filter(
        recipient=OuterRef("reader"), correction=OuterRef("correction")
    )
    seen = CorrectionSeen.objects.filter(
        reader=OuterRef("reader"), correction=OuterRef("correction")
    )
    found = (
        signed.filter(signed_at__lt=F("corrected_at"))
        .exclude(reader=F("corrected_by"))
        .filter(~Exists(notified), ~Exists(seen))
        .filter(sees("reader", "study__department"))
    )
    return list(found.order_by().values_list("reader", "correction").distinct())
