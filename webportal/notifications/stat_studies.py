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
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone

from webportal.accounts.models import Role, User
from webportal.inference.models import Prediction
from webportal.notifications.models import MailState, Notification, NotificationKind
from webportal.notifications.services import close, mail_wanted, reads_without_result
from webportal.records.choices import Category, Priority, Purpose, ReadingState
from webportal.records.models import Study
from webportal.records.visibility import scope_of


@dataclass(frozen=True)
class Waiting:
    """The stat studies that have waited too long; when the first and last began to wait."""

    category: str
    studies: int
    first: datetime
    last: datetime


def create_due() -> int:
    """Update every radiologist's notification; return how many were created."""
    radiologists = User.objects.filter(is_active=True, roles__contains=[Role.RADIOLOGIST])
    known: dict[tuple[bool, frozenset[UUID] | None], Waiting | None] = {}
    unread = Notification.objects.filter(kind=NotificationKind.STAT_UNREAD, read_at=None)
    close(unread.exclude(recipient__in=radiologists))
    wanted = mail_wanted(NotificationKind.STAT_UNREAD, {person.pk for person in radiologists})
    return sum(
        _notify(person, _waiting_for(person, known), person.pk in wanted) for person in radiologists
    )


def _waiting_for(
    person: User, known: dict[tuple[bool, frozenset[UUID] | None], Waiting | None]
) -> Waiting | None:
    """What waits in the departments of a person; `known`: what waits in those of others."""
    is_blind, departments = reads_without_result(person), scope_of(person).departments
    if (is_blind, departments) not in known:
        find = _with_any_result if is_blind else _with_likely_result
        known[is_blind, departments] = find(person)
    return known[is_blind, departments]


def _with_likely_result(person: User) -> Waiting | None:
    """Waiting since the model called them likely."""
    results = (
        Prediction.objects.in_departments_of(person)
        .filter(
            _unread("radiograph__study__"),
            radiograph__study__category=Category.LIKELY,
            is_current=True,
            category=Category.LIKELY,
        )
        .exclude(purpose__in=(Purpose.OUTSIDE, Purpose.WITHHELD))
    )
    return _waiting(Category.LIKELY, results, "radiograph__study")


def _with_any_result(person: User) -> Waiting | None:
    """Waiting since arrival, independent of any result."""
    return _waiting("", Study.objects.in_departments_of(person).filter(_unread("")), "pk")


def _unread(study: str) -> Q:
    """Stat studies that nobody has read; their next reader may have to read blind."""
    return Q(
        **{
            f"{study}priority": Priority.STAT,
            f"{study}reading_state": ReadingState.UNREAD,
            f"{study}second_reading__isnull": True,
        }
    )


def _waiting(
    category: str, since: QuerySet[Prediction] | QuerySet[Study], study: str
) -> Waiting | None:
    found = since.filter(created_at__lte=timezone.now() - _limit()).aggregate(
        studies=Count(study, distinct=True), first=Min("created_at"), last=Max("created_at")
    )
    return Waiting(category, **found) if found["studies"] else None


@transaction.atomic
def _notify(person: User, waiting: Waiting | None, wants_mail: bool) -> int:
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


def _is_due(latest: Notification, waiting: Waiting) -> bool:
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
