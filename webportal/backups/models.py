"""The record of each backup that was started."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class BackupState(models.TextChoices):
    """The progress or outcome of a backup."""

    RUNNING = "running", _("running")
    COMPLETE = "complete", _("complete")
    INCOMPLETE = "incomplete", _("incomplete")
    FAILED = "failed", _("failed")


class Backup(models.Model):
    """One backup. The row is informational; only the repository determines what can be restored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=40, unique=True)
    state = models.CharField(
        max_length=10, choices=BackupState.choices, default=BackupState.RUNNING
    )
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it last said how far it had come.")
    finished_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=20, blank=True, help_text="The code of what went wrong.")
    files = models.PositiveIntegerField(default=0, help_text="How many the database names.")
    done_files = models.PositiveIntegerField(default=0)
    new_files = models.PositiveIntegerField(
        default=0, help_text="How many of them no earlier backup had."
    )
    lost_files = models.PositiveIntegerField(
        default=0, help_text="How many are missing or damaged, and in no earlier backup."
    )
    bytes = models.PositiveBigIntegerField(
        default=0, help_text="Encrypted, with all the files that it shares with other backups."
    )
    new_bytes = models.PositiveBigIntegerField(default=0)
    verified_at = models.DateTimeField(null=True, blank=True)
    faults = models.PositiveIntegerField(
        default=0, help_text="How many parts the last verification found missing or damaged."
    )

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=BackupState.values), name="backup_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=BackupState.RUNNING, finished_at=None)
                | ~Q(state=BackupState.RUNNING) & Q(finished_at__isnull=False),
                name="backup_that_ended_says_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"

    @property
    def percent(self) -> int:
        """The progress, by number of files."""
        return 100 * self.done_files // self.files if self.files else 0
