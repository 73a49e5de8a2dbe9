"""The inbox of received instances."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.labels import label_of
from webportal.network.models.nodes import Node
from webportal.reasons import NO_REASON, Reason, Reasoned
from webportal.records.models import SHA256_HEX


class InboxState(models.TextChoices):
    """The state of a received instance."""

    FOUND = "found", _("Sender unknown")
    WAITING = "waiting", _("Waiting")
    TAKEN = "taken", _("Imported")
    HELD = "held", _("Held: awaiting a decision")
    REFUSED = "refused", _("Refused")
    SET_ASIDE = "set_aside", _("Kept, not an image")
    DISCARDED = "discarded", _("Discarded")


class ReceivedInstance(Reasoned):
    """A received and acknowledged instance: the row of a file in the inbox.

    The same bytes sent again are the same row. The file is removed once the storage has its bytes;
    instances that were refused or set aside keep it until a person discards them. A file without a
    row, as after a restore, gets one in the state `found`: see webportal.network.unrecorded.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    node = models.ForeignKey(
        Node,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="received",
        help_text="Empty only where the inbox had the file without a record.",
    )
    address = models.GenericIPAddressField(
        null=True, blank=True, help_text="From where it came last; empty where nobody knows."
    )
    study_instance_uid = models.CharField("Study Instance UID", max_length=64, blank=True)
    sop_instance_uid = models.CharField("SOP Instance UID", max_length=64, blank=True)
    sop_class_uid = models.CharField("SOP Class UID", max_length=64, blank=True)
    transfer_syntax_uid = models.CharField("Transfer Syntax UID", max_length=64, blank=True)
    sha256 = models.CharField(max_length=64, unique=True)
    size = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, choices=InboxState.choices, default=InboxState.WAITING)
    is_prior = models.BooleanField(
        default=False, help_text="Whether it was only fetched, to be compared with."
    )
    has_file = models.BooleanField(default=True, help_text="Whether the inbox keeps its file.")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often taking it in was begun and not ended."
    )
    times_received = models.PositiveIntegerField(default=1)
    batch = models.ForeignKey(
        UploadBatch, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    item = models.ForeignKey(
        UploadItem, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    first_received_at = models.DateTimeField()
    received_at = models.DateTimeField(help_text="The last time.")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(sha256__regex=SHA256_HEX), name="received_hash"),
            models.CheckConstraint(
                condition=Q(state__in=InboxState.values), name="received_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="refused") | ~Q(reason_code=""), name="received_refused_why"
            ),
            models.CheckConstraint(
                condition=Q(node__isnull=False) | Q(state__in=["found", "discarded"]),
                name="received_from_a_node",
            ),
        ]
        indexes = [
            models.Index(fields=["-received_at", "id"], name="received_newest"),
            models.Index(
                fields=["node", "study_instance_uid"],
                name="received_waiting",
                condition=Q(state="waiting"),
            ),
            models.Index(fields=["sop_instance_uid"], name="received_instance"),
            models.Index(fields=["settled_at"], name="received_files", condition=Q(has_file=True)),
        ]

    def __str__(self) -> str:
        return f"Instance {self.id}: {self.state}"

    @property
    def file_name(self) -> str:
        """The file name in the inbox."""
        return f"{self.sha256}.dcm"

    @property
    def outcome(self) -> str:
        """The outcome in words; for a held file, what has been decided since."""
        if self.item is not None and self.state in (InboxState.TAKEN, InboxState.HELD):
            return label_of(Verdict, self.item.verdict)
        return label_of(InboxState, self.state)

    @property
    def why(self) -> Reason:
        """The reason for the state."""
        if self.reason:
            return self.reason
        return self.item.reason if self.item is not None else NO_REASON
