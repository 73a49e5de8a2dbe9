"""What a person does with their notifications."""

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.notifications.models import Kind, MailChoice, Notification


def notifications_of(person: User) -> QuerySet[Notification]:
    """What a person was told, the newest first.

    That a stat study waits tells the model's result of it, which its second reader may have to do
    without: while that read is due, nobody is told.
    """
    is_second = Q(kind=Kind.STAT_UNREAD, study__second_reading__due="second")
    told = Notification.objects.filter(recipient=person).exclude(is_second)
    return told.select_related("batch", "study")


def unread_count(person: User) -> int:
    """How much of it the person has not looked at."""
    return notifications_of(person).filter(read_at=None).count()


def mark_read(person: User, only: uuid.UUID | None = None) -> None:
    """Note that the person has looked at one notification, or at all."""
    unread = Notification.objects.filter(recipient=person, read_at=None)
    if only is not None:
        unread = unread.filter(pk=only)
    unread.update(read_at=timezone.now())


def chosen_kinds(person: User) -> list[str]:
    """Of which kinds the person wants e-mail."""
    choice = MailChoice.objects.filter(user=person).first()
    return list(choice.kinds) if choice else []


@transaction.atomic
def choose(person: User, email: str, kinds: Collection[str]) -> None:
    """Say where e-mail goes to, and of which kinds; "" and none switch it off."""
    MailChoice.objects.update_or_create(user=person, defaults={"kinds": sorted(kinds)})
    detail: dict[str, object] = {"kinds": sorted(kinds)}
    if email != person.email:
        person.email = email
        person.save(update_fields=["email"])
        detail["fields"] = ["email"]
    append(Event(Action.NOTIFICATIONS_CHOSEN, "user", person.pk, detail=detail), person)
