"""Queue metrics computed from the database: no patient data, IDs only."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import WithAnnotations

from webportal.inference.fleet import (
    ALIVE,
    TAKE_JOBS,
    Standing,
    WorkerState,
    workers_with_states,
)
from webportal.inference.models import Job, JobState, Worker
from webportal.inference.pauses import claimable, paused_priorities
from webportal.inference.queue import OPEN_STATES, awaiting_release
from webportal.reasons import Reason
from webportal.records.choices import Priority
from webportal.records.storage_identity import is_our_storage
from webportal.storage import free_bytes, takes_files

SHOWN_JOBS = 20
# Hospital IT is warned below this multiple of the space at which uploads are refused.
EARLY_WARNING = 2


@dataclass(frozen=True)
class Alert:
    """An alert: a stable code, and a text that says what to do."""

    code: str
    message: str | Promise

    def __str__(self) -> str:
        return str(self.message)


def in_words(time: timedelta) -> str:
    """A time as text: '42 s', '7 min' or '3 h 12 min'."""
    seconds = int(time.total_seconds())
    if seconds < 60:
        return _("{seconds} s").format(seconds=seconds)
    hours, minutes = divmod(seconds // 60, 60)
    if not hours:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)


@dataclass(frozen=True)
class QueueLine:
    """The open jobs of one priority, and those in quarantine; `wait` is that of the oldest."""

    priority: Priority
    queued: int
    wait: timedelta | None
    running: int
    quarantined: int
    is_paused: bool

    @property
    def name(self) -> str:
        """The priority's name in addresses."""
        return self.priority.name.lower()

    @property
    def wait_text(self) -> str:
        """The wait of the oldest as text; '' where none waits."""
        return "" if self.wait is None else in_words(self.wait)


@dataclass(frozen=True)
class QueueHealth:
    """Queue status for hospital IT."""

    queued: dict[Priority, int]
    paused: set[Priority]
    running: int
    awaiting_release: int
    oldest_wait: timedelta
    oldest_claimable_wait: timedelta
    finished_last_hour: int
    workers: dict[WorkerState, int]
    free_bytes: int | None
    takes_files: bool
    is_our_storage: bool

    @property
    def all_queued(self) -> int:
        """Queued jobs of every priority."""
        return sum(self.queued.values())

    @property
    def oldest_wait_text(self) -> str:
        """The longest wait as text."""
        return in_words(self.oldest_wait)

    @property
    def alerts(self) -> list[Alert]:
        """The current alerts."""
        alive = sum(self.workers[state] for state in ALIVE)
        found = []
        if not alive:
            found.append(NO_WORKER)
        elif self.all_queued and not any(self.workers[state] for state in TAKE_JOBS):
            found.append(ALL_DRAINING)
        elif self.is_stuck:
            found.append(QUEUE_STUCK)
        if any(self.queued[priority] for priority in self.paused):
            found.append(QUEUE_PAUSED)
        if self.workers[WorkerState.LOST]:
            found.append(WORKER_LOST)
        if self.awaiting_release:
            found.append(QUARANTINED)
        if not self.is_our_storage:
            found.append(STORAGE_AWAY)
        elif not self.takes_files:
            found.append(STORAGE_READ_ONLY)
        elif self.free_bytes is not None:
            if self.free_bytes < settings.UPLOAD_MIN_FREE_BYTES:
                found.append(STORAGE_FULL)
            elif self.free_bytes < EARLY_WARNING * settings.UPLOAD_MIN_FREE_BYTES:
                found.append(STORAGE_LOW)
        return found

    @property
    def is_stuck(self) -> bool:
        """Whether jobs wait although workers could take them, which a ping would not show."""
        patience = timedelta(seconds=settings.QUEUE_ALERT_SECONDS)
        return self.workers[WorkerState.IDLE] > 0 and self.oldest_claimable_wait > patience


NO_WORKER = Alert(
    "no_worker",
    gettext_lazy("No worker is running. Start one; the queue keeps every image until then."),
)
ALL_DRAINING = Alert(
    "all_draining",
    gettext_lazy("Images are waiting and every worker is draining. Resume one or start another."),
)
QUEUE_STUCK = Alert(
    "queue_stuck",
    gettext_lazy(
        "Images are waiting although workers are idle. Restart the workers, and check that the"
        " broker and the scheduler are running."
    ),
)
QUEUE_PAUSED = Alert(
    "queue_paused",
    gettext_lazy("Images are waiting because their analysis is paused. Resume it under Queue."),
)
WORKER_LOST = Alert(
    "worker_lost",
    gettext_lazy("A worker stopped responding. The others take over its images."),
)
QUARANTINED = Alert(
    "quarantined",
    gettext_lazy(
        "An image is in quarantine: the model could not analyse it. Look at the reason, then queue"
        " it again or cancel it."
    ),
)
STORAGE_FULL = Alert(
    "storage_full", gettext_lazy("The storage is nearly full and uploads are refused. Make room.")
)
STORAGE_AWAY = Alert(
    "storage_away",
    gettext_lazy(
        "The storage holds none of the images on record, so uploads are refused. Check that its"
        " volume is mounted, and that STORAGE_URL names the right one."
    ),
)
STORAGE_READ_ONLY = Alert(
    "storage_read_only",
    gettext_lazy(
        "The storage is read-only, so uploads are refused. Check the disk or the mount, and "
        "the permissions of the portal's account on it."
    ),
)
STORAGE_LOW = Alert(
    "storage_low",
    gettext_lazy("The storage is filling up. Make room before uploads have to be refused."),
)


def queue_health() -> QueueHealth:
    """Measure the queue now."""
    now = timezone.now()
    waiting = Job.objects.filter(state=JobState.QUEUED)
    queued = dict.fromkeys(Priority, 0) | {
        Priority(row["priority"]): row["count"]
        for row in waiting.order_by().values("priority").annotate(count=Count("pk"))
    }
    oldest = waiting.aggregate(oldest=Min("queued_at"))["oldest"]
    claimable_since = claimable().aggregate(oldest=Min("queued_at"))["oldest"]
    states = workers_with_states().filter(_recent()).order_by().values("state")
    workers = dict.fromkeys(WorkerState, 0) | {
        WorkerState(row["state"]): row["count"] for row in states.annotate(count=Count("pk"))
    }
    finished = Job.objects.filter(
        state__in=[JobState.DONE, JobState.REFUSED], finished_at__gte=now - timedelta(hours=1)
    )
    return QueueHealth(
        queued=queued,
        paused=paused_priorities(),
        running=Job.objects.filter(state=JobState.RUNNING).count(),
        awaiting_release=awaiting_release().count(),
        oldest_wait=_since(oldest, now),
        oldest_claimable_wait=_since(claimable_since, now),
        finished_last_hour=finished.count(),
        workers=workers,
        free_bytes=free_bytes(),
        takes_files=takes_files(),
        is_our_storage=is_our_storage(),
    )


def lines() -> list[QueueLine]:
    """The queue by priority, most urgent first."""
    now = timezone.now()
    is_open = Job.objects.filter(state__in=OPEN_STATES).order_by()
    rows = {
        (row["priority"], row["state"]): row
        for row in is_open.values("priority", "state").annotate(
            count=Count("pk"), oldest=Min("queued_at")
        )
    }
    failed = awaiting_release().order_by().values("priority").annotate(count=Count("pk"))
    quarantined = {row["priority"]: row["count"] for row in failed}
    paused = paused_priorities()
    found = []
    for priority in Priority:
        queued = rows.get((priority, JobState.QUEUED))
        running = rows.get((priority, JobState.RUNNING))
        found.append(
            QueueLine(
                priority,
                queued["count"] if queued else 0,
                _since(queued["oldest"], now) if queued else None,
                running["count"] if running else 0,
                quarantined.get(priority, 0),
                priority in paused,
            )
        )
    return found


def _since(oldest: datetime | None, now: datetime) -> timedelta:
    return max(now - oldest, timedelta(0)) if oldest else timedelta(0)


def jobs_by_state() -> dict[JobState, int]:
    """Total number of jobs in each state."""
    rows = Job.objects.order_by().values("state").annotate(count=Count("pk"))
    return dict.fromkeys(JobState, 0) | {JobState(row["state"]): row["count"] for row in rows}


@dataclass(frozen=True)
class Failures:
    """Jobs in the same state for the same reason."""

    state: JobState
    reason: Reason
    count: int


def failures_of_the_last_day() -> list[Failures]:
    """Quarantined and refused jobs by reason, most frequent first."""
    return _by_reason(
        Job.objects.filter(
            state__in=[JobState.QUARANTINED, JobState.REFUSED],
            finished_at__gte=timezone.now() - timedelta(days=1),
        )
    )


def failures_to_decide() -> list[Failures]:
    """Jobs by reason that are in quarantine, or queued again after a failure."""
    failed = Job.objects.filter(state=JobState.QUEUED).exclude(reason_code="")
    return [*_by_reason(awaiting_release()), *_by_reason(failed)]


def _by_reason(jobs: QuerySet[Job]) -> list[Failures]:
    rows = (
        jobs.order_by()
        .values("state", "reason_code")
        .annotate(count=Count("pk"), example=Min(Cast("reason_params", TextField())))
        .order_by("-count", "reason_code")
    )
    return [
        Failures(
            JobState(row["state"]),
            Reason(row["reason_code"], json.loads(row["example"])),
            row["count"],
        )
        for row in rows
    ]


def recent_workers() -> "list[WithAnnotations[Worker, Standing]]":
    """Running workers, and those that stopped or were lost in the last 24 hours."""
    return list(workers_with_states().filter(_recent()))


def _recent() -> Q:
    """Filter for workers that are running, or stopped or were lost in the last 24 hours."""
    recently = timezone.now() - timedelta(days=1)
    return Q(stopped_at=None, last_seen_at__gte=recently) | Q(stopped_at__gte=recently)
