"""Notifies administrators of roles that wait for approval, and of the decision.

Notifications are created with the request or the decision, in its transaction. Once somebody has
decided, those of the others who were to approve count as read.
"""

from typing import Any

from django.dispatch import receiver

from webportal.accounts import role_requests
from webportal.accounts.models import Role, RoleRequest, User
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import close, mail_state_for, mail_wanted


@receiver(role_requests.requested)
def notify_of_request(role_request: RoleRequest, **kwargs: Any) -> None:
    """Notify the other administrators."""
    others = User.objects.filter(is_active=True, roles__contains=[Role.IT])
    others = others.exclude(pk__in=[role_request.requested_by_id, role_request.user_id])
    _notify(list(others), NotificationKind.ROLES_REQUESTED, role_request)


@receiver(role_requests.closed)
def notify_of_decision(role_request: RoleRequest, **kwargs: Any) -> None:
    """Notify whoever gave the roles, unless they withdrew them."""
    asked = role_request.notifications.filter(kind=NotificationKind.ROLES_REQUESTED, read_at=None)
    close(asked)
    requester = role_request.requested_by
    if requester.is_active and role_request.decided_by_id != requester.pk:
        _notify([requester], NotificationKind.ROLES_DECIDED, role_request)


def _notify(people: list[User], kind: NotificationKind, role_request: RoleRequest) -> None:
    wanted = mail_wanted(kind, [person.pk for person in people])
    Notification.objects.bulk_create(
        Notification(
            recipient=person,
            kind=kind,
            role_request=role_request,
            **mail_state_for(person.pk in wanted),
        )
        for person in people
    )
