"""Legal holds."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from webportal.records.models import Patient, Study

REASON_LENGTH = 200


class LegalHold(models.Model):
    """Keeps a patient's studies, or one study, whatever its age, until the hold is lifted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(
        Patient, on_delete=models.PROTECT, null=True, blank=True, related_name="legal_holds"
    )
    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, null=True, blank=True, related_name="legal_holds"
    )
    reason = models.CharField(max_length=REASON_LENGTH)
    placed_at = models.DateTimeField()
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["placed_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(patient=None, study__isnull=False)
                | Q(patient__isnull=False, study=None),
                name="hold_on_one_thing",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="hold_has_a_reason"),
            models.CheckConstraint(
                condition=Q(lifted_at=None, lifted_by=None)
                | Q(lifted_at__isnull=False, lifted_by__isnull=False),
                name="hold_lifted_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["patient"], condition=Q(lifted_at=None), name="one_hold_of_a_patient"
            ),
            models.UniqueConstraint(
                fields=["study"], condition=Q(lifted_at=None), name="one_hold_of_a_study"
            ),
        ]

    def __str__(self) -> str:
        return f"Legal hold {self.id}"
