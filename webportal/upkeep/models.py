"""What must outlast a run of the scheduler: that removing files is paused."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class PauseReason(models.TextChoices):
    """Why no files are removed."""

    OLDER_DATABASE = "older_database"
    TOO_MANY = "too_many"


class RemovalPause(models.Model):
    """That no files are removed from the storage, from `since` until hospital IT has resumed it."""

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
