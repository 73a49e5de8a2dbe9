"""Notifying users of changes to their own account: one-time passwords and second factors.

The notification is created with the event itself, and e-mailed to every known address whatever the
user's preferences: an attacker could be using the account.
"""

from typing import Any

from django.conf import settings
from django.dispatch import receiver

from webportal.accounts.models import User
from webportal.accounts.services import password_reset, second_factor_changed
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import mail_state_for

_FACTOR_KINDS = {
    "added": NotificationKind.FACTOR_ADDED,
    "removed": NotificationKind.FACTOR_REMOVED,
    "reset": NotificationKind.FACTOR_RESET,
}


@receiver(password_reset)
def notify_of_one_time_password(user: User, **kwargs: Any) -> None:
    """Notify the user of the one-time password."""
    _notify(user, NotificationKind.PASSWORD_RESET)


@receiver(second_factor_changed)
def notify_of_second_factor(user: User, what: str, **kwargs: Any) -> None:
    """Notify the user of the change to their second factor."""
    _notify(user, _FACTOR_KINDS[what])


def _notify(user: User, kind: NotificationKind) -> None:
    Notification.objects.create(
        recipient=user,
        kind=kind,
        **mail_state_for(settings.MAIL_ENABLED and bool(user.email)),
    )
