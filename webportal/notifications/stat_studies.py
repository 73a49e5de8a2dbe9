"""Notifying radiologists of stat studies that have waited unread for too long.

There is one notification per person for all of them, whose numbers are updated while it is unread.
Another is created when a further study has started to wait too long, or if any still waits an
interval after the last was read. E-mails to one person are at least an interval apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from webportal.accounts.models import Role, User
from webportal.notifications.models import MailState, Notification, NotificationKind
from webportal.notifications.services import close, mail_wanted, reads_without_result
from webportal.records.choices import Category, Priority, ReadingState
from webportal.records.models import Study
from webportal.records.visibility import scope_of


@dataclass(frozen=True)
class WaitingStudies:
    """The stat studies that have waited too long; when the first and last began to wait.

    `category` is the model's result if it is likely for each of them and the person may know it.
    """

    category: str
    studies: int
    first: datetime
    last: datetime


def create_due() -> int:
    """Update every radiologist's notification; return how many were created."""
    radiologists = User.objects.filter(is_active=True, roles__contains=[Role.RADIOLOGIST])
    known: dict[tuple[bool, frozenset[UUID] | None], WaitingStudies | None] = {}
    unread = Notification.objects.filter(kind=NotificationKind.STAT_UNREAD, read_at=None)
    close(unread.exclude(recipient__in=radiologists))
    wanted = mail_wanted(NotificationKind.STAT_UNREAD, {person.pk for person in radiologists})
    return sum(
        _notify(person, _waiting_for(person, known), person.pk in wanted) for person in radiologists
    )


def _waiting_for(
    person: User, known: dict[tuple[bool, frozenset[UUID] | None], WaitingStudies | None]
) -> WaitingStudies | None:
    """What waits in the departments of a person; `known`: what waits in those of others."""
    is_blind, departments = reads_without_result(person), scope_of(person).departments
    if (is_blind, departments) not in known:
        known[is_blind, departments] = _waiting(person, is_blind=is_blind)
    return known[is_blind, departments]


def _waiting(person: User, *, is_blind: bool) -> WaitingStudies | None:
    """Waiting since arrival, whatever the model says of them, or if it says nothing.

    Who asked for a study at once knows more of the patient than the model, which looks for one
    disease, misses some of it, and may be at a standstill.
    """
    found = (
        Study.objects.in_departments_of(person)
        .filter(
            # The next reader of one that has been read may have to read blind.
            priority=Priority.STAT,
            reading_state=ReadingState.UNREAD,
            second_reading__isnull=True,
            created_at__lte=timezone.now() - _limit(),
        )
        .order_by()
        .aggregate(
            studies=Count("pk"),
            first=Min("created_at"),
            last=Max("created_at"),
            likely=Count("pk", filter=Q(category=Category.LIKELY)),
        )
    )
    likely = found.pop("likely")
    are_likely = not is_blind and likely == found["studies"]
    return (
        WaitingStudies(Category.LIKELY if are_likely else "", **found) if found["studies"] else None
    )


@transaction.atomic
def _notify(person: User, waiting: WaitingStudies | None, wants_mail: bool) -> int:
    earlier = Notification.objects.filter(recipient=person, kind=NotificationKind.STAT_UNREAD)
    unread = earlier.filter(read_at=None)
    if waiting is None:
        close(unread)
        return 0
    latest = earlier.order_by("-created_at").first()
    if latest is not None and not _is_due(latest, waiting):
        unread.update(
            studies=waiting.studies, waiting_since=waiting.first, category=waiting.category
        )
        return 0
    if latest is not None:
        close(earlier.filter(pk=latest.pk, read_at=None))
    notification = Notification(
        recipient=person,
        kind=NotificationKind.STAT_UNREAD,
        studies=waiting.studies,
        waiting_since=waiting.first,
        category=waiting.category,
    )
    if wants_mail:
        mailed = earlier.aggregate(last=Max("mailed_at"))["last"]
        earliest = mailed + _interval() if mailed else timezone.now()
        notification.mail_state = MailState.DUE
        notification.mail_due_at = max(timezone.now(), earliest)
    # Another scheduler may have created it meanwhile.
    Notification.objects.bulk_create([notification], ignore_conflicts=True)
    return 1


def _is_due(latest: Notification, waiting: WaitingStudies) -> bool:
    """Whether there is more than the person's latest notification covers."""
    known = latest.read_at or latest.created_at
    is_old = known + _interval() <= timezone.now()
    is_more = waiting.last + _limit() > known
    if latest.read_at:
        return is_more or is_old
    return is_more and is_old and latest.mail_state != MailState.DUE


def _limit() -> timedelta:
    return timedelta(minutes=settings.STAT_UNREAD_MINUTES)


def _interval() -> timedelta:
    return timedelta(minutes=settings.STAT_DIGEST_MINUTES)
