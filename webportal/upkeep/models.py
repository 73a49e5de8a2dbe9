"""State kept between runs of the scheduler: pauses of the removal, and progress of the check."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class PauseReason(models.TextChoices):
    """Why no files are removed."""

    OLDER_DATABASE = "older_database"
    TOO_MANY = "too_many"


class RemovalPause(models.Model):
    """A period in which no files are removed, from `since` until hospital IT resumes removal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reason = models.CharField(max_length=20, choices=PauseReason.choices)
    files = models.PositiveIntegerField(
        default=0, help_text="How many files would have gone; 0 where nobody has counted."
    )
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        ordering = ["since"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=PauseReason.values), name="pause_reason_known"
            ),
            models.UniqueConstraint(
                fields=["reason"], condition=Q(ended_at=None), name="one_open_pause_of_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} since {self.since:%Y-%m-%d %H:%M}"


class StorageCheck(models.Model):
    """One round in which every stored file is checked; see `checking`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    last_step_at = models.DateTimeField()
    position = models.CharField(
        max_length=50, blank=True, help_text="The last image, or held file, that was checked."
    )
    images = models.PositiveIntegerField(
        help_text="How many there were at the start, those of held files included."
    )
    checked_images = models.PositiveIntegerField(default=0)
    checked_bytes = models.PositiveBigIntegerField(default=0)
    faults = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["finished_at"],
                condition=Q(finished_at=None),
                name="one_open_check",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"Check of {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def percent(self) -> int:
        """The progress of the round; the total does not include images added since its start."""
        return min(100, 100 * self.checked_images // max(1, self.images))
