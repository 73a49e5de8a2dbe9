"""Reading and worklist preferences, and saved views."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class ReadingPreference(models.Model):
    """A reader's preferences; without a row the field defaults apply."""

    reader = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="reading_preference",
    )
    reads_first = models.BooleanField(
        default=False,
        help_text="The model's result stays closed until the reader opens it or has signed.",
    )

    has_shortcuts = models.BooleanField(
        default=True,
        help_text="Single characters typed on the keyboard act in the worklist and the viewer.",
    )

    def __str__(self) -> str:
        return f"Reading preference of {self.reader_id}"


class WorklistPreference(models.Model):
    """One person's worklist preferences."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="worklist_preference",
    )
    columns = ArrayField(
        models.CharField(max_length=20), default=list, help_text="Empty for the usual ones."
    )
    default_view = models.ForeignKey(
        "SavedView",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="What the worklist opens with, as long as this person may open it.",
    )

    def __str__(self) -> str:
        return f"Worklist of {self.user_id}"


class SavedView(models.Model):
    """Named filters, order and columns, personal or shared with all readers.

    `filters` maps the query parameters, including the order, to values. It holds no search terms,
    and so no patient data.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    name = models.CharField(max_length=60)
    filters = models.JSONField(default=dict)
    columns = ArrayField(models.CharField(max_length=20), default=list)
    is_shared = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="one_view_of_a_name"),
            models.CheckConstraint(condition=~Q(name=""), name="view_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
