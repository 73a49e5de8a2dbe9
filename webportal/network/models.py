"""Nodes of the DICOM network, and the inbox of received instances."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Department
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.orders.models import OrderSource
from webportal.reasons import NO_REASON, Reason, Reasoned
from webportal.records.models import SHA256_HEX

LONGEST_AE_TITLE = 16


class Node(models.Model):
    """A modality, PACS or worklist.

    `account` represents it as the actor in batches, studies and the audit trail. It has no password
    and no role.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ae_title = models.CharField(_("AE title"), max_length=LONGEST_AE_TITLE, unique=True)
    description = models.CharField(_("description"), max_length=100, blank=True)
    addresses = ArrayField(
        models.CharField(max_length=50),
        help_text="IP addresses and networks from which it calls.",
    )
    port = models.PositiveIntegerField(
        _("port"), null=True, blank=True, help_text="On which it listens, if it does."
    )
    department = models.ForeignKey(
        Department,
        verbose_name=_("department"),
        on_delete=models.PROTECT,
        related_name="nodes",
        help_text=_("New studies from this device belong to it."),
    )
    is_active = models.BooleanField(default=True)
    order_source = models.OneToOneField(
        OrderSource,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="node",
        help_text="The orders that its worklist told of, if it is or was asked for any.",
    )
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="node"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["ae_title"]
        constraints = [
            models.CheckConstraint(condition=~Q(ae_title=""), name="node_has_ae_title"),
            models.CheckConstraint(condition=~Q(addresses=[]), name="node_has_address"),
            models.CheckConstraint(
                condition=Q(port=None) | Q(port__gte=1, port__lte=65535), name="node_port"
            ),
        ]

    def __str__(self) -> str:
        return self.ae_title

    @property
    def host(self) -> str:
        """The address to call: its first single address, '' if it has only networks."""
        return next((each for each in self.addresses if "/" not in each), "")

    @property
    def is_worklist(self) -> bool:
        """Whether its worklist is asked for orders."""
        return self.order_source is not None and self.order_source.is_active


class InboxState(models.TextChoices):
    """The state of a received instance."""

    FOUND = "found", _("Sender unknown")
    WAITING = "waiting", _("Waiting")
    TAKEN = "taken", _("Taken in")
    HELD = "held", _("Held: to be decided")
    REFUSED = "refused", _("Refused")
    SET_ASIDE = "set_aside", _("Kept, no image")
    DISCARDED = "discarded", _("Discarded")


class ReceivedInstance(Reasoned):
    """A received and acknowledged instance: the row of a file in the inbox.

    The same bytes sent again are the same row. The file is removed once the storage has its bytes;
    for instances refused or set aside it is kept until a person discards them. A file that had no
    row, as after a restore, gets one in the state `found`, see webportal.network.found.
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
        """The outcome in words; for a held file, what was decided since."""
        if self.item is not None and self.state in (InboxState.TAKEN, InboxState.HELD):
            return str(Verdict(self.item.verdict).label)
        return str(InboxState(self.state).label)

    @property
    def why(self) -> Reason:
        """The reason for the state."""
        if self.reason:
            return self.reason
        return self.item.reason if self.item is not None else NO_REASON


class CommitmentState(models.TextChoices):
    """The state of a request for storage commitment."""

    WAITING = "waiting", _("Waiting")
    REPORTED = "reported", _("Reported")
    GIVEN_UP = "given_up", _("Given up")


class Commitment(Reasoned):
    """What a node asked to have committed, until the report on it has arrived there.

    The reason is why it has not, the last time. Written by webportal.network.commitment alone.
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


class RejectedCaller(models.Model):
    """A rejected caller, to help IT add the node: one row per caller.

    Written by webportal.network.callers, which keeps only the latest.
    """

    calling_ae_title = models.CharField(max_length=LONGEST_AE_TITLE)
    called_ae_title = models.CharField(max_length=LONGEST_AE_TITLE)
    address = models.GenericIPAddressField()
    reason = models.CharField(max_length=20)
    times = models.PositiveIntegerField(default=1)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(
                fields=["calling_ae_title", "called_ae_title", "address", "reason"],
                name="one_row_a_rejected_caller",
            )
        ]

    def __str__(self) -> str:
        return f"{self.calling_ae_title} from {self.address}"
