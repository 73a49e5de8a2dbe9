"""Requests for storage commitment that were sent to a PACS."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.network.models.nodes import LONGEST_AE_TITLE


class StorageRequestState(models.TextChoices):
    """Whether the report has arrived."""

    WAITING = "waiting", _("Waiting")
    REPORTED = "reported", _("Reported")


class StorageRequest(models.Model):
    """A request for storage commitment of sent instances, until their sender has settled it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ae_title = models.CharField(max_length=LONGEST_AE_TITLE)
    address = models.GenericIPAddressField(help_text="Where it was asked, and may report from.")
    transaction_uid = models.CharField("Transaction UID", max_length=64, unique=True)
    state = models.CharField(
        max_length=10, choices=StorageRequestState.choices, default=StorageRequestState.WAITING
    )
    committed = models.JSONField(default=list, help_text="SOP Instance UIDs.")
    failed = models.JSONField(default=dict, help_text="Failure Reason by SOP Instance UID.")
    asked_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", reported_at=None)
                | Q(state="reported", reported_at__isnull=False),
                name="storage_request_reported",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ae_title"], name="storage_request_waiting", condition=Q(state="waiting")
            )
        ]

    def __str__(self) -> str:
        return f"Storage request {self.transaction_uid}: {self.state}"
