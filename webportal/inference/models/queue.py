"""Workers, and what is kept about the queue."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from webportal.records.choices import Priority


class Worker(models.Model):
    """A worker process as last reported; one process serves one device."""

    name = models.CharField(primary_key=True, max_length=150)
    device = models.CharField(max_length=100, blank=True)
    model_version = models.CharField(max_length=50, blank=True)
    host = models.CharField(max_length=100, blank=True)
    program_version = models.CharField(max_length=50, blank=True)
    loading_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when it has been loading another model version."
    )
    is_draining = models.BooleanField(
        default=False, help_text="Set by hospital IT: take no further jobs."
    )
    stop_requested_at = models.DateTimeField(
        null=True, blank=True, help_text="Set by hospital IT: end. Cleared by the next start."
    )
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)
    finished_jobs = models.PositiveBigIntegerField(default=0)
    log_tail = models.TextField(blank=True, help_text="The last lines of its log.")
    measured = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Its histograms since it started, see webportal.inference.worker_metrics.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class QueuePause(models.Model):
    """No worker claims jobs of this priority until hospital IT resumes; null is every priority."""

    priority = models.PositiveSmallIntegerField(choices=Priority.choices, null=True, blank=True)
    since = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Null where a command did.",
    )

    class Meta:
        ordering = ["priority"]
        constraints = [
            models.UniqueConstraint(
                fields=["priority"], name="one_pause_of_a_priority", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(priority=None) | Q(priority__in=Priority.values),
                name="pause_priority_known",
            ),
        ]

    def __str__(self) -> str:
        return "every priority" if self.priority is None else str(Priority(self.priority).label)

    @property
    def name(self) -> str:
        """The priority's name in addresses; '' for every priority."""
        return "" if self.priority is None else Priority(self.priority).name.lower()


class OldestProtocol(models.Model):
    """Programs of an older protocol must not work on this database; none is refused without a row.

    Only migrations write it; see webportal.database.compatibility.
    """

    protocol = models.PositiveSmallIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.protocol)


class PeriodLength(models.TextChoices):
    """How long a period of `QueuePeriod` is."""

    HOUR = "hour"
    DAY = "day"


class QueuePeriod(models.Model):
    """What happened in the queue in an hour or a day, in figures; see webportal.inference.history.

    `figures` has no ids of jobs or images. By priority: `arrived`, and `times` from arrival to
    result (median and 95th percentile, in seconds). By state: `results`. By reason code: `reasons`
    of those without a result of the model. By worker: images and busy seconds in `workers`. Of the
    storage: `free_bytes`, as last measured.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    length = models.CharField(max_length=4, choices=PeriodLength.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    computed_at = models.DateTimeField()
    figures = models.JSONField()

    class Meta:
        ordering = ["starts_at"]
        constraints = [
            models.UniqueConstraint(fields=["length", "starts_at"], name="one_period_of_a_start"),
            models.CheckConstraint(
                condition=Q(length__in=PeriodLength.values), name="period_length_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.length} from {self.starts_at:%Y-%m-%d %H:%M}"
