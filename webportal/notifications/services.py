"""Marking notifications as read and choosing e-mail."""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.notifications.models import (
    ACCOUNT_KINDS,
    OF_KNOWN_KIND,
    MailChoice,
    MailState,
    Notification,
)
from webportal.review.preferences import reads_first
from webportal.review.reads.blinding import reads_without_model

#: Older events are not notified, even on the first run.
LOOK_BACK = timedelta(days=7)


def reads_without_result(person: User) -> bool:
    """Whether this person reads first, and must not be notified of the model's results."""
    return reads_first(person) or reads_without_model(person)


def mark_read(person: User, only: uuid.UUID | None = None) -> None:
    """Mark one or all of the person's notifications as read."""
    unread = Notification.objects.filter(OF_KNOWN_KIND, recipient=person, read_at=None)
    close(unread if only is None else unread.filter(pk=only))


@transaction.atomic
def close(notifications: QuerySet[Notification]) -> None:
    """Mark notifications as obsolete: they count as read, and their e-mail is not sent.

    Except for that of a reset password, since the person reading it on the page may be an attacker.
    """
    ids = list(notifications.select_for_update(of=("self",)).values_list("pk", flat=True))
    closed = Notification.objects.filter(pk__in=ids)
    needless = closed.filter(mail_state=MailState.DUE).exclude(kind__in=ACCOUNT_KINDS)
    needless.update(mail_state=MailState.NONE, mail_due_at=None)
    closed.update(read_at=timezone.now())


def mail_wanted(kind: str, people: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the given people who get e-mail of this kind."""
    if not settings.MAIL_ENABLED:
        return set()
    choices = MailChoice.objects.filter(~Q(user__email=""), user__in=people, kinds__contains=[kind])
    return set(choices.values_list("user", flat=True))


def mail_state_for(wants_mail: bool) -> dict[str, Any]:
    """Field values of a notification that send its e-mail at once, or not at all."""
    if not wants_mail:
        return {}
    return {"mail_state": MailState.DUE, "mail_due_at": timezone.now()}


def chosen_kinds(person: User) -> list[str]:
    """The kinds for which the person wants e-mail."""
    choice = MailChoice.objects.filter(user=person).first()
    return list(choice.kinds) if choice else []


@transaction.atomic
def choose(person: User, email: str, kinds: Collection[str]) -> None:
    """Set the e-mail address and kinds; "" or no kinds switches e-mail off."""
    MailChoice.objects.update_or_create(user=person, defaults={"kinds": sorted(kinds)})
    detail: dict[str, object] = {"kinds": sorted(kinds)}
    if email != person.email:
        person.email = email
        person.save(update_fields=["email"])
        detail["fields"] = ["email"]
    append(Event(Action.NOTIFICATIONS_CHOSEN, "user", person.pk, detail=detail), person)
