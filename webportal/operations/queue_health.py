"""The state of the queue in numbers, computed from the database: no patient data, ids alone."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.inference.fleet import ALIVE, WorkerState, workers_with_states
from webportal.inference.models import Job, JobState, Worker
from webportal.inference.queue import awaiting_release
from webportal.records.models import Priority
from webportal.storage import free_bytes

SHOWN_JOBS = 20


@dataclass(frozen=True)
class QueueHealth:
    """What hospital IT must know at a glance."""

    queued: dict[Priority, int]
    running: int
    awaiting_release: int
    oldest_wait: timedelta
    finished_last_hour: int
    workers: dict[WorkerState, int]
    free_bytes: int | None

    @property
    def all_queued(self) -> int:
        """Queued jobs of every priority."""
        return sum(self.queued.values())

    @property
    def oldest_wait_text(self) -> str:
        """The oldest wait as people say it: '42 s', '7 min' or '3 h 12 min'."""
        seconds = int(self.oldest_wait.total_seconds())
        if seconds < 60:
            return _("{seconds} s").format(seconds=seconds)
        hours, minutes = divmod(seconds // 60, 60)
        if not hours:
            return _("{minutes} min").format(minutes=minutes)
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)

    @property
    def alerts(self) -> list[str]:
        """What somebody must look after now, in words that say what to do."""
        alive = sum(self.workers[state] for state in ALIVE)
        found = []
        if not alive:
            found.append(_("No worker is alive. Start one; the queue keeps everything until then."))
        elif self.all_queued and alive == self.workers[WorkerState.DRAINING]:
            found.append(
                _("Images wait and every worker is draining. Resume one or start another.")
            )
        elif self.is_stuck:
            found.append(
                _(
                    "The oldest queued job waits {time} while workers are idle. "
                    "Restart the workers, and see that the broker and the scheduler run."
                ).format(time=self.oldest_wait_text)
            )
        if self.workers[WorkerState.LOST]:
            found.append(_("A worker was lost without saying goodbye. Others take over its jobs."))
        if self.free_bytes is not None and self.free_bytes < settings.UPLOAD_MIN_FREE_BYTES:
            found.append(_("The storage is nearly full: uploads are refused. Make room."))
        return found

    @property
    def is_stuck(self) -> bool:
        """Whether jobs wait although workers could take them; what a ping would not show."""
        patience = timedelta(seconds=settings.QUEUE_ALERT_SECONDS)
        return self.workers[WorkerState.IDLE] > 0 and self.oldest_wait > patience


def queue_health() -> QueueHealth:
    """Measure the queue now."""
    now = timezone.now()
    waiting = Job.objects.filter(state=JobState.QUEUED)
    queued = dict.fromkeys(Priority, 0) | {
        Priority(row["priority"]): row["count"]
        for row in waiting.order_by().values("priority").annotate(count=Count("pk"))
    }
    oldest = waiting.aggregate(oldest=Min("queued_at"))["oldest"]
    states = workers_with_states().order_by().values("state").annotate(count=Count("pk"))
    workers = dict.fromkeys(WorkerState, 0) | {
        WorkerState(row["state"]): row["count"] for row in states
    }
    finished = Job.objects.filter(
        state__in=[JobState.DONE, JobState.REFUSED], finished_at__gte=now - timedelta(hours=1)
    )
    return QueueHealth(
        queued=queued,
        running=Job.objects.filter(state=JobState.RUNNING).count(),
        awaiting_release=awaiting_release().count(),
        oldest_wait=max(now - oldest, timedelta(0)) if oldest else timedelta(0),
        finished_last_hour=finished.count(),
        workers=workers,
        free_bytes=free_bytes(),
    )


def jobs_by_state() -> dict[JobState, int]:
    """How many jobs there are in each state, ever."""
    rows = Job.objects.order_by().values("state").annotate(count=Count("pk"))
    return dict.fromkeys(JobState, 0) | {JobState(row["state"]): row["count"] for row in rows}


@dataclass(frozen=True)
class Failures:
    """Jobs that ended without a result for the same reason within the last day."""

    state: str
    reason_code: str
    reason: str
    count: int


def failures_of_the_last_day() -> list[Failures]:
    """Quarantined and refused jobs by reason, most frequent first."""
    rows = (
        Job.objects.filter(
            state__in=[JobState.QUARANTINED, JobState.REFUSED],
            finished_at__gte=timezone.now() - timedelta(days=1),
        )
        .order_by()
        .values("state", "reason_code")
        .annotate(count=Count("pk"), reason=Min("reason"))
        .order_by("-count", "reason_code")
    )
    return [
        Failures(str(JobState(row["state"]).label), row["reason_code"], row["reason"], row["count"])
        for row in rows
    ]


def recent_workers() -> list[Worker]:
    """Every worker that runs, and those that stopped or were lost within the last day."""
    recently = timezone.now() - timedelta(days=1)
    return list(
        workers_with_states().filter(
            Q(stopped_at=None, last_seen_at__gte=recently) | Q(stopped_at__gte=recently)
        )
    )
