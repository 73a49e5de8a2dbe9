"""Requests for storage commitment."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.network.models.nodes import Node
from webportal.reasons import Reasoned


class CommitmentState(models.TextChoices):
    """The state of a request for storage commitment."""

    WAITING = "waiting", _("Waiting")
    REPORTED = "reported", _("Reported")
    GIVEN_UP = "given_up", _("Given up")


class Commitment(Reasoned):
    """A node's request for storage commitment, until its report has arrived there.

    The reason tells why the last attempt to report failed. Written only by
    webportal.network.commitment.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="commitments")
    address = models.GenericIPAddressField(help_text="From where it asked last.")
    transaction_uid = models.CharField("Transaction UID", max_length=64)
    instances = models.JSONField(help_text="SOP Class UID and SOP Instance UID of each.")
    state = models.CharField(
        max_length=10, choices=CommitmentState.choices, default=CommitmentState.WAITING
    )
    failed = models.PositiveIntegerField(
        null=True, help_text="How many instances were last reported as not stored."
    )
    attempts = models.PositiveIntegerField(default=0)
    requested_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["node", "transaction_uid"], name="commitment_once_a_transaction"
            ),
            models.CheckConstraint(
                condition=Q(state__in=CommitmentState.values), name="commitment_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["-requested_at", "id"], name="commitment_newest"),
            models.Index(
                fields=["next_attempt_at"],
                name="commitment_waiting",
                condition=Q(state="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"Commitment {self.transaction_uid}: {self.state}"
