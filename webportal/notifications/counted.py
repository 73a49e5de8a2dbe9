"""Notifications with a count: how many studies were assigned to people, or signed for them.

A person has one unread notification of each kind. Events while it is unread increase its count;
after it is read, the next event creates another. Events are notified SETTLED after they happened:
by then their transaction has committed, and a signature can no longer be taken back.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from webportal.accounts.departments import sees
from webportal.accounts.models import Role
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import LOOK_BACK, mail_state_for, mail_wanted
from webportal.records.choices import ReadingState
from webportal.records.models import IdentityCorrection, Study
from webportal.review.models import Addendum, ReadState
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
    referred = standing_reads().filter(_for_referrer("study"))
    # Those who acted on a report must learn of additions to it, and of a corrected identity.
    # An amendment is a read.
    added = Addendum.objects.filter(_for_referrer("read__study"), read__state=ReadState.SIGNED)
    corrected = IdentityCorrection.studies.through.objects.filter(_for_referrer("study"))
    news = {
        NotificationKind.STUDIES_ASSIGNED: [
            _News(assigned, "assigned_reader", "assigned_at", "pk"),
        ],
        NotificationKind.STUDIES_SIGNED: [
            _News(signed, "study__created_by", "signed_at", "study"),
        ],
        NotificationKind.REPORTS_READY: [
            _News(referred, "study__referrer", "signed_at", "study"),
            _News(added, "read__study__referrer", "signed_at", "read__study"),
            _News(corrected, "study__referrer", "identitycorrection__at", "study"),
        ],
    }
    return sum(_notify(kind, _fresh(kind, each, until), until) for kind, each in news.items())


def _for_referrer(study: str) -> Q:
    """Filter for what is of a study with a report that its referring clinician may open."""
    is_reported = Q(
        **{
            f"{study}__reading_state": ReadingState.SIGNED,
            f"{study}__referrer__is_active": True,
            f"{study}__referrer__roles__contains": [Role.REFERRER],
        }
    )
    return is_reported & sees(f"{study}__referrer", f"{study}__department")


@dataclass(frozen=True)
class _News:
    """Events to notify; `person`, `at` and `study` are the names of their fields."""

    events: QuerySet[Any]
    person: str
    at: str
    study: str


def _fresh(kind: NotificationKind, news: Iterable[_News], until: datetime) -> list[dict[str, Any]]:
    """Count the studies of each person with an event since their last notification."""
    studies: dict[tuple[UUID, datetime], set[UUID]] = defaultdict(set)
    for each in news:
        person, at = each.person, each.at
        earlier = Notification.objects.filter(kind=kind, recipient=OuterRef(person))
        last = earlier.order_by("-counted_until").values("counted_until")[:1]
        since = Coalesce(Subquery(last), Value(until - LOOK_BACK))
        fresh = each.events.filter(**{f"{at}__gt": until - LOOK_BACK, f"{at}__lte": until})
        rows = (
            fresh.order_by()
            .annotate(notified_until=since)
            .filter(**{f"{at}__gt": F("notified_until")})
            .values_list(person, "notified_until", each.study)
        )
        for recipient, notified_until, study in rows:
            studies[recipient, notified_until].add(study)
    return [
        {"person": person, "notified_until": notified_until, "studies": len(found)}
        for (person, notified_until), found in studies.items()
    ]


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
