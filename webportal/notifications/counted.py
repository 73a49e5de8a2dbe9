"""Notifications with a count: how many studies were assigned to people, or signed for them.

A person has one unread notification of each kind. Events while it is unread increase its count;
after it is read, the next event creates another. Events are notified SETTLED after they happened:
by then their transaction has committed, and a signature can no longer be taken back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from webportal.accounts.departments import sees
from webportal.accounts.models import Role
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import LOOK_BACK, mail_state_for, mail_wanted
from webportal.records.choices import ReadingState
from webportal.records.models import Study
from webportal.review.reads.standing import standing_reads

SETTLED = timedelta(seconds=60)


def create_due() -> int:
    """Update everybody's notifications; return how many were created."""
    until = timezone.now() - SETTLED
    assigned = Study.objects.filter(
        reading_state=ReadingState.UNREAD,
        assigned_reader__is_active=True,
        assigned_reader__roles__contains=[Role.RADIOLOGIST],
    ).filter(sees("assigned_reader", "department"))
    signed = standing_reads().filter(
        study__reading_state=ReadingState.SIGNED, study__created_by__is_active=True
    )
    signed = signed.exclude(reader=F("study__created_by"))
    signed = signed.filter(sees("study__created_by", "study__department"))
    referred = (
        standing_reads()
        .filter(
            study__reading_state=ReadingState.SIGNED,
            study__referrer__is_active=True,
            study__referrer__roles__contains=[Role.REFERRER],
        )
        .filter(sees("study__referrer", "study__department"))
    )
    news = [
        _News(NotificationKind.STUDIES_ASSIGNED, assigned, "assigned_reader", "assigned_at", "pk"),
        _News(NotificationKind.STUDIES_SIGNED, signed, "study__created_by", "signed_at", "study"),
        _News(NotificationKind.REPORTS_READY, referred, "study__referrer", "signed_at", "study"),
    ]
    return sum(_notify(each.kind, _fresh(each, until), until) for each in news)


@dataclass(frozen=True)
class _News:
    """Events to notify; `person`, `at` and `study` are the names of their fields."""

    kind: NotificationKind
    events: QuerySet[Any]
    person: str
    at: str
    study: str


def _fresh(news: _News, until: datetime) -> list[dict[str, Any]]:
    """Count the studies of each person with an event since their last notification."""
    person, at = news.person, news.at
    earlier = Notification.objects.filter(kind=news.kind, recipient=OuterRef(person))
    last = earlier.order_by("-counted_until").values("counted_until")[:1]
    since = Coalesce(Subquery(last), Value(until - LOOK_BACK))
    fresh = news.events.filter(**{f"{at}__gt": until - LOOK_BACK, f"{at}__lte": until})
    rows = (
        fresh.order_by()
        .annotate(notified_until=since, person=F(person))
        .filter(**{f"{at}__gt": F("notified_until")})
        .values("person", "notified_until")
        .annotate(studies=Count(news.study, distinct=True))
    )
    return list(rows)


def _notify(kind: NotificationKind, rows: Iterable[dict[str, Any]], until: datetime) -> int:
    rows = list(rows)
    wanted = mail_wanted(kind, [row["person"] for row in rows])
    return sum(_notify_one(kind, row, until, row["person"] in wanted) for row in rows)


@transaction.atomic
def _notify_one(
    kind: NotificationKind, row: dict[str, Any], until: datetime, wants_mail: bool
) -> int:
    unread = Notification.objects.filter(recipient=row["person"], kind=kind, read_at=None)
    # Only if no other scheduler has counted the same meanwhile.
    same = unread.filter(counted_until=row["notified_until"])
    if same.update(studies=F("studies") + row["studies"], counted_until=until):
        return 0
    notification = Notification(
        recipient_id=row["person"],
        kind=kind,
        studies=row["studies"],
        counted_until=until,
        **mail_state_for(wants_mail),
    )
    Notification.objects.bulk_create([notification], ignore_conflicts=True)
    return 1
