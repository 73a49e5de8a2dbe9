"""Sending notification e-mails: they contain no patient data, only that something is waiting.

Each is sent and recorded as sent under a lock on its row, so that two schedulers never send the
same one. A process killed in between sends it again with the same Message-ID, by which mail systems
recognise the duplicate.
"""

import logging
import smtplib
import uuid
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.notifications.kinds import KINDS, subject_and_text
from webportal.notifications.models import (
    OF_KNOWN_KIND,
    MailState,
    Notification,
    NotificationKind,
)

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 8
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=2)


def deliver() -> int:
    """Send what is due; return how many were sent. Failures are retried later, eight times."""
    if not settings.MAIL_ENABLED:
        return 0
    due = Notification.objects.filter(mail_state=MailState.DUE, mail_due_at__lte=timezone.now())
    ids = list(due.filter(OF_KNOWN_KIND).order_by("mail_due_at").values_list("pk", flat=True))
    return sum(_deliver(each) for each in ids)


@transaction.atomic
def _deliver(notification_id: uuid.UUID) -> bool:
    locked = Notification.objects.select_for_update(skip_locked=True, of=("self",))
    due = locked.filter(pk=notification_id, mail_state=MailState.DUE).select_related(
        "recipient", "alert"
    )
    notification = due.first()
    if notification is None:
        return False
    try:
        _message(notification).send()
    except (OSError, smtplib.SMTPException) as error:
        _postpone(notification, error)
        return False
    notification.mail_state, notification.mail_due_at = MailState.SENT, None
    notification.mailed_at = timezone.now()
    notification.save(update_fields=["mail_state", "mail_due_at", "mailed_at"])
    detail = {"kind": notification.kind, "user": str(notification.recipient_id)}
    append(Event(Action.NOTIFICATION_MAILED, "notification", notification.pk, detail=detail))
    return True


def _postpone(notification: Notification, error: Exception) -> None:
    """Schedule a retry. Only the type of error is logged: its text may contain an address."""
    notification.mail_attempts += 1
    logger.warning("An e-mail was not taken (%s)", type(error).__name__)
    if notification.mail_attempts >= MOST_ATTEMPTS:
        notification.mail_state, notification.mail_due_at = MailState.FAILED, None
    else:
        wait = min(_FIRST_WAIT * 2**notification.mail_attempts, _LONGEST_WAIT)
        notification.mail_due_at = timezone.now() + wait
    notification.save(update_fields=["mail_state", "mail_due_at", "mail_attempts"])


def _message(notification: Notification) -> EmailMessage:
    """Return the e-mail in the language its recipient last chose on the page."""
    language = notification.recipient.language or settings.LANGUAGE_CODE
    with translation.override(language):
        message = _compose(notification)
    message.extra_headers["Content-Language"] = language
    return message


def _compose(notification: Notification) -> EmailMessage:
    subject, text = subject_and_text(notification)
    address = settings.PORTAL_URL.rstrip("/")
    link = address + reverse("notifications:open", args=[notification.pk])
    choices = address + reverse("notifications:preferences")
    footer = _("You asked for this e-mail; your choice is at %(address)s") % {"address": choices}
    if not KINDS[NotificationKind(notification.kind)].roles:
        footer = _("This e-mail is always sent and cannot be switched off.")
    return EmailMessage(
        subject,
        f"{text}\n\n{link}\n\n-- \n{footer}\n",
        to=[notification.recipient.email],
        headers={
            "Message-ID": f"<{notification.pk}@chestline>",
            "Auto-Submitted": "auto-generated",
        },
    )
