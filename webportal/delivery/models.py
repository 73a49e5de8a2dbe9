"""Destinations, their documents, and the outbox of deliveries."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.database.clock import clock
from webportal.inference.models import Prediction
from webportal.network.models import LONGEST_AE_TITLE, StorageRequest
from webportal.reasons import Reasoned
from webportal.records.models import Study
from webportal.review.models import Addendum, Read


class Protocol(models.TextChoices):
    """The protocol of a destination."""

    DICOM = "dicom", _("DICOM (C-STORE)")
    DICOMWEB = "dicomweb", _("DICOMweb (STOW-RS)")
    HL7 = "hl7", _("HL7 v2 (MLLP)")
    FHIR = "fhir", _("FHIR R4")


class Content(models.TextChoices):
    """A kind of content that destinations can get."""

    READS = "reads", _("Signed reads")
    RESULTS = "results", _("Model results")
    CAPTURES = "captures", _("Heat maps, as images")
    PRESENTATIONS = "gsps", _("Marks and measurements, as presentation states (GSPS)")


class ResultsWhen(models.TextChoices):
    """When the model's results may be sent to a destination."""

    CLOSED = "closed", _("Once the study is read and signed")
    AT_ONCE = "at_once", _("At once, unless second readers read without the model")


class DocumentKind(models.TextChoices):
    """The type of a document."""

    REPORT = "report", _("Read")
    REPORT_HL7 = "report_hl7", _("Read (HL7)")
    REPORT_FHIR = "report_fhir", _("Read (FHIR)")
    REPORT_MARKS = "report_marks", _("Marks of a read")
    PRESENTATION = "presentation", _("Presentation state of a read")
    RESULT = "result", _("Model result")
    RESULT_REGION = "result_region", _("Region of the heat map")
    RESULT_FHIR = "result_fhir", _("Model results (FHIR)")
    EARLY_FHIR = "early_fhir", _("Preliminary report (FHIR)")
    CAPTURE = "capture", _("Heat map")
    WITHDRAWN = "withdrawn", _("Withdrawal of a result")
    WITHDRAWN_FHIR = "withdrawn_fhir", _("Withdrawal of a result (FHIR)")
    NO_EARLY_FHIR = "no_early_fhir", _("Withdrawal of a preliminary report (FHIR)")
    RETRACTION = "retraction", _("Retraction: wrong patient")
    RETRACTION_HL7 = "retraction_hl7", _("Retraction: wrong patient (HL7)")
    RETRACTION_FHIR = "retraction_fhir", _("Retraction: wrong patient (FHIR)")

    def is_among(self, contents: Collection[str]) -> bool:
        """Whether it belongs to a destination's contents."""
        if self in RETRACTIONS:
            return True
        if self == DocumentKind.WITHDRAWN:
            return not OF_MODEL.isdisjoint(contents)
        if self == DocumentKind.CAPTURE:
            return Content.CAPTURES in contents
        if self == DocumentKind.PRESENTATION:
            return Content.PRESENTATIONS in contents
        return (Content.READS if self in OF_READS else Content.RESULTS) in contents


#: The kinds that contain a read.
OF_READS = (
    DocumentKind.REPORT,
    DocumentKind.REPORT_MARKS,
    DocumentKind.PRESENTATION,
    DocumentKind.REPORT_HL7,
    DocumentKind.REPORT_FHIR,
)
#: The content that comes from reads.
OF_READER = {Content.READS, Content.PRESENTATIONS}
#: The content that comes from the model.
OF_MODEL = {Content.RESULTS, Content.CAPTURES}
#: The kinds that withdraw a result that was sent.
WITHDRAWALS = (DocumentKind.WITHDRAWN, DocumentKind.WITHDRAWN_FHIR, DocumentKind.NO_EARLY_FHIR)
#: The kinds that retract documents of the wrong patient.
RETRACTIONS = (DocumentKind.RETRACTION, DocumentKind.RETRACTION_HL7, DocumentKind.RETRACTION_FHIR)
#: The kinds that are sent by FHIR, except retractions.
OF_FHIR = (
    DocumentKind.REPORT_FHIR,
    DocumentKind.RESULT_FHIR,
    DocumentKind.EARLY_FHIR,
    DocumentKind.WITHDRAWN_FHIR,
    DocumentKind.NO_EARLY_FHIR,
)
#: The kinds that contain the results of all images of a study; the other kinds contain one.
OF_ALL_RESULTS = (DocumentKind.RESULT_FHIR, DocumentKind.EARLY_FHIR)


class Destination(models.Model):
    """A system that results are sent to, such as a PACS.

    Removed destinations keep their row, because the outbox refers to it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=60)
    protocol = models.CharField(max_length=10, choices=Protocol.choices)
    ae_title = models.CharField(_("AE title"), max_length=LONGEST_AE_TITLE, blank=True)
    host = models.CharField(_("host"), max_length=253, blank=True)
    port = models.PositiveIntegerField(_("port"), null=True, blank=True)
    url = models.CharField("URL", max_length=500, blank=True)
    secret = models.TextField(blank=True, help_text="Bearer token, encrypted.")
    uses_tls = models.BooleanField(_("encrypted by TLS"), default=False)
    certificate_name = models.CharField(
        _("name in its certificate"),
        max_length=253,
        blank=True,
        db_default="",
        help_text=_("Empty if its certificate is for the address."),
    )
    sends = ArrayField(models.CharField(max_length=10, choices=Content.choices))
    results_when = models.CharField(
        max_length=10, choices=ResultsWhen.choices, default=ResultsWhen.CLOSED
    )
    confirms = models.BooleanField(
        _("confirms what it has stored"),
        default=False,
        db_default=False,
        help_text="Asked by storage commitment, or looked for by QIDO-RS.",
    )
    is_paused = models.BooleanField(default=False)
    removed_at = models.DateTimeField(null=True, blank=True)
    looked_until = models.DateTimeField(
        help_text="What was signed or computed before has been looked at; see `planning`."
    )
    failures = models.PositiveIntegerField(
        default=0, help_text="How often in a row it could not be reached."
    )
    retry_at = models.DateTimeField(null=True, blank=True)
    away_since = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=clock)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(removed_at=None), name="one_destination_of_a_name"
            ),
            models.CheckConstraint(
                condition=Q(protocol__in=Protocol.values), name="destination_protocol"
            ),
            models.CheckConstraint(
                condition=~Q(sends=[]) & Q(sends__contained_by=Content.values),
                name="destination_sends",
            ),
            models.CheckConstraint(
                condition=Q(port=None) | Q(port__gte=1, port__lte=65535), name="destination_port"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """The address, as displayed."""
        if self.protocol == Protocol.DICOM:
            return f"{self.ae_title}@{self.host}:{self.port}"
        return self.url or f"{self.host}:{self.port}"

    @property
    def contents(self) -> list[str]:
        """The labels of its content."""
        return [str(each.label) for each in Content if each in self.sends]


class Document(models.Model):
    """A document sent to other systems, the same for every destination.

    It is created when it is first sent, and does not change afterwards: a destination that gets it
    twice sees the same bytes with the same UID. `addendum` is the last addendum that it contains.
    `revision` counts how often its result was withdrawn, its study moved, or the result's cautions
    changed, before; of a
    presentation state it says which image of the read it is for (documents/drawn.py), of a read
    whether it names a result (predecessors.py).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=15, choices=DocumentKind.choices)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="documents")
    read = models.ForeignKey(
        Read, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    addendum = models.ForeignKey(
        Addendum, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    prediction = models.ForeignKey(
        Prediction, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    revision = models.PositiveSmallIntegerField(default=0)
    sop_instance_uid = models.CharField("SOP Instance UID", max_length=64, blank=True)
    series_instance_uid = models.CharField("Series Instance UID", max_length=64, blank=True)
    sop_class_uid = models.CharField("SOP Class UID", max_length=64, blank=True)
    identity = models.CharField(
        max_length=64, blank=True, help_text="Fingerprint of the patient's identity in it."
    )
    content = models.BinaryField(null=True, help_text="None until it is made.")
    sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=clock)
    made_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "study", "read", "addendum", "prediction", "revision"],
                nulls_distinct=False,
                name="one_document_of_a_kind",
            ),
            models.CheckConstraint(
                condition=Q(read=None, addendum=None, prediction__isnull=False)
                | Q(read__isnull=False, prediction=None),
                name="document_of_read_or_result",
            ),
            models.CheckConstraint(
                condition=Q(made_at=None, content=None) | Q(made_at__isnull=False) & ~Q(sha256=""),
                name="document_made",
            ),
        ]

    def __str__(self) -> str:
        return f"Document {self.id} ({self.kind})"


def document_of(**what: Any) -> Document:
    """The document with these fields, added if it is new; without its content."""
    named = {"read": None, "addendum": None, "prediction": None, "revision": 0} | what
    return Document.objects.defer("content").get_or_create(**named)[0]


class MovedStudy(models.Model):
    """A study whose Patient ID changed after documents of it had been created."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]
        verbose_name_plural = "moved studies"
        indexes = [models.Index(fields=["at"], name="moved_study_at")]

    def __str__(self) -> str:
        return f"Study {self.study_id}: moved"


class DeliveryState(models.TextChoices):
    """The state of a delivery."""

    WAITING = "waiting", _("Waiting")
    STORED = "stored", _("Awaiting confirmation")
    DELIVERED = "delivered", _("Delivered")
    REJECTED = "rejected", _("Rejected")
    CANCELLED = "cancelled", _("Cancelled")


#: The states of a delivery that continues by itself.
UNSETTLED = (DeliveryState.WAITING, DeliveryState.STORED)


class Delivery(Reasoned):
    """A row of the outbox: one document for one destination.

    The reason is that of the last attempt. Only `planning`, `attempts` and `outbox` write it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    destination = models.ForeignKey(
        Destination, on_delete=models.PROTECT, related_name="deliveries"
    )
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(
        max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING
    )
    attempts = models.PositiveIntegerField(default=0)
    refusals = models.PositiveIntegerField(
        default=0, help_text="How often it was rejected doubtfully; see `attempts`."
    )
    missing = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How often it was not there when it was to be confirmed."
    )
    confirmation = models.ForeignKey(
        StorageRequest,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
        help_text="What it was asked for; see the partial index.",
    )
    attempted_at = models.DateTimeField(null=True, blank=True)
    stored_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    answer = models.CharField(
        max_length=200, blank=True, help_text="What the destination answered last, in its code."
    )
    created_at = models.DateTimeField(default=clock)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["destination", "next_attempt_at"],
                name="delivery_due",
                condition=Q(state="waiting"),
            ),
            models.Index(fields=["state", "-created_at"], name="delivery_state"),
            models.Index(
                fields=["destination", "next_attempt_at"],
                name="delivery_to_confirm",
                condition=Q(state="stored"),
            ),
            models.Index(
                fields=["confirmation"],
                name="delivery_confirmation",
                condition=Q(confirmation__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["destination", "document"], name="one_delivery_of_a_document"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "stored"], settled_at=None)
                | Q(state__in=["delivered", "rejected", "cancelled"], settled_at__isnull=False),
                name="delivery_settled",
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.id} ({self.state})"

    @property
    def earliest_attempt_at(self) -> datetime | None:
        """When it is sent at the earliest; None if it is settled or the destination is paused."""
        if self.state != DeliveryState.WAITING or self.destination.is_paused:
            return None
        return max(self.next_attempt_at, self.destination.retry_at or self.next_attempt_at)
