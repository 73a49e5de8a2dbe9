"""Corrections of identities under which reads had been signed."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from webportal.records.models.studies import Study


class IdentityCorrection(models.Model):
    """A correction of an identity after reads had been signed under the former one.

    It flags every read of `studies` that was signed before `at`. `before` and `after` are as
    `shown_identity` in webportal.records.identity has them. Written only by
    webportal.records.services, and never changed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    studies = models.ManyToManyField(
        Study, related_name="identity_corrections", help_text="Those that were signed then."
    )
    before = models.JSONField()
    after = models.JSONField()
    reason = models.TextField()
    corrected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="identity_corrections"
    )
    at = models.DateTimeField()

    class Meta:
        ordering = ["at"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="identity_correction_has_reason"),
        ]

    def __str__(self) -> str:
        return f"Correction {self.id}"


class CorrectionSeen(models.Model):
    """A reader's acknowledgement of a correction of an identity they had signed under."""

    correction = models.ForeignKey(
        IdentityCorrection, on_delete=models.PROTECT, related_name="seen"
    )
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="corrections_seen"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "corrections seen"
        constraints = [
            models.UniqueConstraint(
                fields=["correction", "reader"], name="correction_seen_once_a_reader"
            ),
        ]

    def __str__(self) -> str:
        return f"Correction {self.correction_id} seen by {self.reader_id}"
