"""Notifies heads of department, auditors and hospital IT of emergency accesses, as configured.

Notifications are created with the access, in its transaction, and also e-mailed to known addresses.
"""

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.dispatch import receiver

from webportal.accounts.models import Membership, Role, User
from webportal.notifications.models import Kind, Notification
from webportal.notifications.services import mail_state_for
from webportal.records.models import EmergencyAccess
from webportal.review.emergency import services

HEADS = "heads"
ROLES = {"auditor": Role.AUDITOR, "it": Role.IT}


@receiver(services.begun)
def tell_of_emergency(access: EmergencyAccess, **kwargs: Any) -> None:
    """Create the notifications for an access."""
    people = User.objects.filter(_to_be_told(access), is_active=True).exclude(pk=access.person_id)
    Notification.objects.bulk_create(
        Notification(
            recipient=person,
            kind=Kind.EMERGENCY,
            emergency=access,
            **mail_state_for(settings.MAIL_ENABLED and bool(person.email)),
        )
        for person in people
    )


def _to_be_told(access: EmergencyAccess) -> Q:
    wanted = Q(pk__in=[])
    for name in settings.EMERGENCY_ALERTS:
        if name == HEADS:
            departments = access.patient.studies.filter(patient=access.patient).values("department")
            heads = Membership.objects.filter(department__in=departments, is_head=True)
            wanted |= Q(pk__in=heads.values("user"))
        else:
            wanted |= Q(roles__contains=[ROLES[name]])
    return wanted
