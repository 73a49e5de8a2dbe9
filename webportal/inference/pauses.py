"""Pausing the analysis of all images, or of those of one priority.

Uploading and reading go on, and jobs are queued as usual; workers claim none that are paused. What
a worker has claimed already it finishes.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.inference.hints import hint_after_commit
from webportal.inference.models import Job, JobState, QueuePause
from webportal.records.choices import Priority


def pauses() -> QuerySet[QueuePause]:
    """The pauses in force; that of the whole queue comes last."""
    return QueuePause.objects.select_related("by")


def paused_priorities() -> set[Priority]:
    """The priorities whose jobs no worker claims."""
    paused = set(QueuePause.objects.values_list("priority", flat=True))
    return {each for each in Priority if None in paused or each in paused}


def claimable() -> QuerySet[Job]:
    """The queued jobs that workers may claim, as in `claims.CLAIM`."""
    paused = QueuePause.objects.filter(Q(priority=None) | Q(priority=OuterRef("priority")))
    return Job.objects.filter(~Exists(paused), state=JobState.QUEUED)


@transaction.atomic
def pause(priority: Priority | None, by: User | str) -> bool:
    """Let no worker claim jobs of this priority, or any; return False if that is so already.

    `by` is a user, or the name of a command.
    """
    person = by if isinstance(by, User) else None
    _, is_new = QueuePause.objects.get_or_create(
        priority=priority, defaults={"since": clock(), "by": person}
    )
    if is_new:
        append(Event(Action.QUEUE_PAUSED, "queue", _name(priority)), by)
    return is_new


@transaction.atomic
def resume(priority: Priority | None, by: User | str) -> bool:
    """End the pause of this priority, or of the whole queue; return False if there was none.

    Priorities that were paused by themselves stay paused when the whole queue is resumed.
    """
    ended, _ = QueuePause.objects.filter(priority=priority).delete()
    if ended:
        hint_after_commit()
        append(Event(Action.QUEUE_RESUMED, "queue", _name(priority)), by)
    return bool(ended)


def _name(priority: Priority | None) -> str:
    return "all" if priority is None else priority.name.lower()
