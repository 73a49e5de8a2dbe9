"""Nodes of the DICOM network, and the inbox of received instances."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Department
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.orders.models import OrderSource
from webportal.reasons import NO_REASON, Reason, Reasoned
from webportal.records.identifiers import LONGEST
from webportal.records.models import SHA256_HEX, Study
from webportal.records.visibility import OfStudy

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


class PriorProtocol(models.TextChoices):
    """How earlier studies are fetched."""

    GET = "get", _("C-GET")
    MOVE = "move", _("C-MOVE to this receiver")


class PriorSource(models.Model):
    """Which earlier studies are fetched from a node; written by webportal.network.priors alone."""

    node = models.OneToOneField(Node, on_delete=models.PROTECT, related_name="prior_source")
    is_active = models.BooleanField(_("Fetch earlier studies from this device"), default=False)
    protocol = models.CharField(
        _("Fetch by"), max_length=4, choices=PriorProtocol.choices, default=PriorProtocol.GET
    )
    issuer = models.CharField(
        _("Issuer of its Patient IDs"),
        max_length=LONGEST,
        blank=True,
        help_text=_("As in its images; empty if they name none."),
    )
    most_studies = models.PositiveSmallIntegerField(
        _("Studies at most"), default=3, validators=[MinValueValidator(1), MaxValueValidator(20)]
    )
    years = models.PositiveSmallIntegerField(
        _("Years back"), default=5, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    active_since = models.DateTimeField(
        null=True, blank=True, help_text="Nothing is fetched for studies that came before."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(protocol__in=PriorProtocol.values), name="prior_source_protocol"
            ),
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(active_since__isnull=False),
                name="prior_source_active_since",
            ),
        ]

    def __str__(self) -> str:
        return f"Priors from {self.node}"


class PriorRequestState(models.TextChoices):
    """The state of asking a node for the earlier studies of a patient."""

    WAITING = "waiting", _("Waiting")
    DONE = "done", _("Done")
    GIVEN_UP = "given_up", _("Given up")


class PriorRequest(Reasoned, OfStudy):
    """That a node is asked for earlier studies, because `study` has come in.

    Written by webportal.network.priors alone, as are its PriorStudy rows.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="prior_requests")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="prior_requests")
    state = models.CharField(
        max_length=10, choices=PriorRequestState.choices, default=PriorRequestState.WAITING
    )
    attempts = models.PositiveIntegerField(default=0)
    requested_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["node", "study"], name="prior_request_once_a_study"),
            models.CheckConstraint(
                condition=Q(state__in=PriorRequestState.values), name="prior_request_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["-requested_at", "id"], name="prior_request_newest"),
            models.Index(
                fields=["next_attempt_at"],
                name="prior_request_waiting",
                condition=Q(state="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"Priors of study {self.study_id}: {self.state}"


class PriorState(models.TextChoices):
    """What became of an earlier study that a node named."""

    WANTED = "wanted", _("To be fetched")
    FETCHED = "fetched", _("Fetched")
    PRESENT = "present", _("Here already")
    REFUSED = "refused", _("Not fetched")


class PriorStudy(Reasoned, OfStudy):
    """An earlier study that a node named, and whether it was fetched."""

    study_path = "request__study"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(PriorRequest, on_delete=models.PROTECT, related_name="found")
    study_instance_uid = models.CharField("Study Instance UID", max_length=64)
    performed_on = models.DateField()
    state = models.CharField(max_length=10, choices=PriorState.choices)

    class Meta:
        verbose_name_plural = "prior studies"
        ordering = ["-performed_on", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "study_instance_uid"], name="prior_study_once_a_request"
            ),
            models.CheckConstraint(
                condition=Q(state__in=PriorState.values), name="prior_study_state_known"
            ),
        ]
        indexes = [models.Index(fields=["study_instance_uid"], name="prior_study_uid")]

    def __str__(self) -> str:
        return f"Prior {self.study_instance_uid}: {self.state}"


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
