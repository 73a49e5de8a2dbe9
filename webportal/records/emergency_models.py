"""Emergency access: time-limited access to a patient of another department, with a reason."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class ReviewOutcome(models.TextChoices):
    """The outcome of the review of an emergency access."""

    JUSTIFIED = "justified", _("Justified")
    NOT_JUSTIFIED = "not_justified", _("Not justified")
    UNCLEAR = "unclear", _("Could not be clarified")


class EmergencyAccess(models.Model):
    """A user's temporary access to all data of one patient, beyond their own departments.

    It awaits review until an auditor has recorded the outcome.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="emergency_accesses"
    )
    patient = models.ForeignKey(
        "records.Patient", on_delete=models.PROTECT, related_name="emergency_accesses"
    )
    reason = models.TextField()
    began_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="Brought forward when the person ends it.")
    outcome = models.CharField(max_length=20, choices=ReviewOutcome.choices, blank=True)
    remark = models.TextField(blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "emergency accesses"
        ordering = ["-began_at", "id"]
        indexes = [
            models.Index(fields=["person", "ends_at"], name="emergency_of_person"),
            models.Index(fields=["began_at"], condition=Q(outcome=""), name="emergency_to_review"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="emergency_has_reason"),
            models.CheckConstraint(
                condition=Q(ends_at__gte=F("began_at")), name="emergency_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(outcome="", reviewed_by=None, reviewed_at=None)
                | Q(
                    outcome__in=ReviewOutcome.values,
                    reviewed_by__isnull=False,
                    reviewed_at__isnull=False,
                ),
                name="emergency_review_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"Emergency access {self.id}"
