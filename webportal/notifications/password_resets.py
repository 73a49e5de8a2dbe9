"""Telling people that somebody else gave them a one-time password.

It is noted with the reset itself, and goes by e-mail to every address that is known, whatever its
owner has chosen: whoever resets a password could use the account in its owner's name.
"""

from typing import Any

from django.conf import settings
from django.dispatch import receiver

from webportal.accounts.models import User
from webportal.accounts.services import password_reset
from webportal.notifications.models import Kind, Notification
from webportal.notifications.services import mail_state_for


@receiver(password_reset)
def tell(user: User, **kwargs: Any) -> None:
    """Note that the person is to be told."""
    Notification.objects.create(
        recipient=user,
        kind=Kind.PASSWORD_RESET,
        **mail_state_for(settings.MAIL_ENABLED and bool(user.email)),
    )
