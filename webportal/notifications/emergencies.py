"""Notifies heads of department, auditors and hospital IT of emergency accesses, as configured.

Notifications are created with the access, in its transaction, or when it comes to open more, and
also e-mailed to known addresses. Auditors are notified by the scheduler of overdue reviews.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone

from webportal.accounts.models import Membership, Role, User
from webportal.audit.trail import Event
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import mail_state_for, mail_wanted
from webportal.records.models import EmergencyAccess, Study
from webportal.records.services import study_moved
from webportal.review.emergency import services

HEADS = "heads"
ROLES = {"auditor": Role.AUDITOR, "it": Role.IT}


@receiver(services.begun)
def notify_of_emergency(access: EmergencyAccess, **kwargs: Any) -> None:
    """Create the notifications for an access, for those who have none."""
    notified = access.notifications.filter(kind=NotificationKind.EMERGENCY).values("recipient")
    people = User.objects.filter(_recipients(access), is_active=True)
    people = people.exclude(pk=access.person_id).exclude(pk__in=notified)
    Notification.objects.bulk_create(
        Notification(
            recipient=person,
            kind=NotificationKind.EMERGENCY,
            emergency=access,
            **mail_state_for(settings.MAIL_ENABLED and bool(person.email)),
        )
        for person in people
    )


@receiver(study_moved)
def notify_of_running_emergencies(study: Study, **kwargs: Any) -> list[Event]:
    """Tell others of a running access if it now opens this study; nothing more to audit."""
    for access in study.patient.emergency_accesses.filter(ends_at__gt=timezone.now()):
        notify_of_emergency(access)
    return []


def create_overdue() -> int:
    """Notify each auditor once of each access left unreviewed for EMERGENCY_REVIEW_DAYS.

    Not of their own, which somebody else has to review. Returns how many were created.
    """
    until = timezone.now() - timedelta(days=settings.EMERGENCY_REVIEW_DAYS)
    overdue = EmergencyAccess.objects.filter(outcome="", ends_at__lte=until)
    notified = Notification.objects.filter(
        kind=NotificationKind.EMERGENCY_OVERDUE, emergency__in=overdue
    )
    known = set(notified.values_list("recipient", "emergency"))
    auditors = User.objects.filter(is_active=True, roles__contains=[Role.AUDITOR])
    people = list(auditors.values_list("pk", flat=True))
    wanted = mail_wanted(NotificationKind.EMERGENCY_OVERDUE, people)
    missing = [
        Notification(
            recipient_id=person,
            kind=NotificationKind.EMERGENCY_OVERDUE,
            emergency=access,
            **mail_state_for(person in wanted),
        )
        for access in overdue
        for person in people
        if person != access.person_id and (person, access.pk) not in known
    ]
    Notification.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def _recipients(access: EmergencyAccess) -> Q:
    wanted = Q(pk__in=[])
    for name in settings.EMERGENCY_ALERTS:
        if name == HEADS:
            departments = access.patient.studies.filter(patient=access.patient).values("department")
            heads = Membership.objects.filter(department__in=departments, is_head=True)
            wanted |= Q(pk__in=heads.values("user"))
        else:
            wanted |= Q(roles__contains=[ROLES[name]])
    return wanted
