"""Erasures, from request to completion."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

REASON_LENGTH = 200
REFERENCE_LENGTH = 100


class ErasureState(models.TextChoices):
    """The state of an erasure."""

    REQUESTED = "requested", _("to be confirmed")
    CONFIRMED = "confirmed", _("confirmed")
    DONE = "done", _("done")
    DECLINED = "declined", _("declined")


class Erasure(models.Model):
    """An erasure of a whole patient, or of studies due for erasure.

    It names nobody: only ids, counts and hashes remain, with which it is repeated after a restore.
    It has no foreign keys to erased rows. Only `services` and `execution` write it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.UUIDField(
        null=True, blank=True, help_text="Of whom everything goes; empty for studies that are due."
    )
    studies = models.JSONField(
        default=list, help_text="The ids of the studies that are due; those done are taken out."
    )
    reason = models.CharField(max_length=REASON_LENGTH)
    reference = models.CharField(max_length=REFERENCE_LENGTH, blank=True)
    digest = models.CharField(
        max_length=64, blank=True, help_text="Of the list that was confirmed; see `plan`."
    )
    state = models.CharField(
        max_length=10, choices=ErasureState.choices, default=ErasureState.REQUESTED
    )
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        help_text="Nobody where a restored backup was erased again.",
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(
        max_length=20, blank=True, help_text="The code of what keeps it from going on."
    )
    files = models.JSONField(default=list, help_text="The files that are still to be removed.")
    counts = models.JSONField(default=dict, help_text="How much of each kind was erased.")
    hashes = models.JSONField(default=list, help_text="The SHA-256 of each file.")
    unreadable = models.PositiveIntegerField(
        default=0, help_text="How many files stay because nobody can tell whose they are."
    )
    entries = models.JSONField(default=list, help_text="The entries of the trail that say so.")
    skipped = models.JSONField(
        default=list, help_text="Studies that were not erased: pairs of an id and a code."
    )
    gone = models.JSONField(default=dict, help_text="The ids of what went, to erase it again.")

    class Meta:
        ordering = ["-requested_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ErasureState.values), name="erasure_state_known"
            ),
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(state__in=[ErasureState.REQUESTED, ErasureState.CONFIRMED]),
                name="one_open_erasure_of_a_patient",
            ),
            models.CheckConstraint(
                condition=Q(state=ErasureState.REQUESTED, decided_at=None)
                | ~Q(state=ErasureState.REQUESTED) & Q(decided_at__isnull=False),
                name="erasure_decided_when",
            ),
            models.CheckConstraint(
                condition=Q(state=ErasureState.DONE, finished_at__isnull=False, files=[])
                | ~Q(state=ErasureState.DONE) & Q(finished_at=None),
                name="erasure_done_when",
            ),
        ]

    def __str__(self) -> str:
        return f"Erasure {self.id} ({self.state})"

    @property
    def is_of_patient(self) -> bool:
        """Whether a whole patient is erased, rather than single studies."""
        return self.patient is not None
