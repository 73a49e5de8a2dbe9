"""Orders, the systems they come from, and the messages that brought them."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import JSONArray, JSONObject
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Department
from webportal.reasons import Reasoned
from webportal.records.choices import Priority, Sex
from webportal.records.identifiers import LONGEST
from webportal.records.models import Patient, Study
from webportal.records.visibility import OfStudy, Scope

LONGEST_CONTROL_ID = 199


class AccessionIn(models.TextChoices):
    """Where a system puts the accession number."""

    IHE = "ihe", _("IPC-1, or OBR-18 (IHE)")
    FILLER = "filler", _("Filler order number (ORC-3 or OBR-3)")
    PLACER = "placer", _("Placer order number (ORC-2 or OBR-2)")


class CharacterSet(models.TextChoices):
    """The character set of messages that do not name one (MSH-18)."""

    ASCII = "", _("ASCII, as the standard says")
    UTF_8 = "UNICODE UTF-8", _("UTF-8")
    LATIN_1 = "8859/1", _("ISO 8859-1 (Western Europe)")
    LATIN_2 = "8859/2", _("ISO 8859-2 (Central Europe)")
    CYRILLIC = "8859/5", _("ISO 8859-5 (Cyrillic)")
    LATIN_9 = "8859/15", _("ISO 8859-15 (Western Europe)")


class SourceKind(models.TextChoices):
    """How orders come from a system."""

    HL7 = "hl7", _("It sends them by HL7")
    WORKLIST = "worklist", _("It is queried for them (Modality Worklist)")


class OrderSource(models.Model):
    """A system that orders come from.

    A system that sends them is recognised by its addresses. A worklist is a DICOM node; `failures`,
    `retry_at` and `away_since` record whether it responds. `account` is the system's actor in the
    audit trail. It has no password and no role.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=40, unique=True)
    kind = models.CharField(max_length=10, choices=SourceKind.choices, default=SourceKind.HL7)
    addresses = ArrayField(
        models.CharField(max_length=50),
        help_text="IP addresses and networks from which it calls; none of a worklist.",
    )
    departments = models.ManyToManyField(
        Department,
        verbose_name=_("departments"),
        related_name="order_sources",
        help_text=_("Their members see its orders before there is a study."),
    )
    accession_in = models.CharField(
        max_length=10, choices=AccessionIn.choices, default=AccessionIn.IHE
    )
    character_set = models.CharField(
        max_length=20, choices=CharacterSet.choices, default=CharacterSet.ASCII, blank=True
    )
    is_active = models.BooleanField(default=True)
    failures = models.PositiveIntegerField(
        default=0, help_text="How often in a row it could not be asked."
    )
    retry_at = models.DateTimeField(null=True, blank=True)
    away_since = models.DateTimeField(null=True, blank=True)
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="order_source"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="order_source_has_name"),
            models.CheckConstraint(
                condition=Q(kind="worklist", addresses=[]) | Q(kind="hl7") & ~Q(addresses=[]),
                name="order_source_has_address",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OrderStatus(models.TextChoices):
    """Whether an order is still valid."""

    ORDERED = "ordered", _("Ordered")
    CANCELLED = "cancelled", _("Cancelled")


class Order(OfStudy):
    """An order as its system last described it; `said_at` has the time of each field's value.

    `patient_ids` are the identifiers in PID-3, each with `id`, `issuer` and `type`. Texts are as
    received, with escapes resolved.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(OrderSource, on_delete=models.PROTECT, related_name="orders")
    accession_number = models.CharField(max_length=LONGEST)
    placer_number = models.TextField("Placer Order Number (ORC-2)", blank=True)
    filler_number = models.TextField("Filler Order Number (ORC-3)", blank=True)
    status = models.CharField(
        max_length=10, choices=OrderStatus.choices, default=OrderStatus.ORDERED
    )
    patient_ids = models.JSONField(default=list)
    patient_name = models.TextField(blank=True, help_text="As a DICOM person name.")
    birth_date = models.DateField(null=True, blank=True)
    sex = models.CharField(max_length=1, choices=Sex.choices, blank=True)
    procedure_code = models.TextField(blank=True)
    procedure = models.TextField("requested procedure", blank=True)
    indication = models.TextField(blank=True)
    history = models.TextField("relevant clinical information", blank=True)
    notes = models.TextField(blank=True)
    referring_physician = models.TextField("referring clinician", blank=True)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.ROUTINE)
    priority_code = models.TextField("priority as received", blank=True)
    said_at = models.JSONField(default=dict)
    not_for = ArrayField(
        models.UUIDField(), default=list, help_text="Studies that a person said it is not for."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["accession_number"], name="order_accession")]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "accession_number", "placer_number"], name="order_once"
            ),
            models.CheckConstraint(
                condition=~Q(accession_number=""), name="order_has_accession_number"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values), name="order_priority_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Order {self.id}"

    @classmethod
    def visible_in(cls, scope: Scope) -> Q:
        """Orders of visible studies, and unlinked ones whose system's departments are in scope.

        Giving a study the number of an order reveals nothing of the order unless it is also for the
        study's patient.
        """
        if scope.departments is None:
            return Q()
        systems = OrderSource.departments.through.objects.filter(
            ordersource=OuterRef("source"), department__in=sorted(scope.departments)
        )
        same_patient = (
            Study.objects.filter(scope.of_studies(), patient__is_temporary=False)
            .annotate(named=JSONArray(JSONObject(id="patient__patient_id")))
            .filter(
                accession_number=OuterRef("accession_number"),
                named__contained_by=OuterRef("patient_ids"),
            )
        )
        return cls._of_visible_studies(scope) | Q(~Exists(_links())) & Q(
            Exists(same_patient) | Exists(systems)
        )

    @classmethod
    def known_in(cls, scope: Scope) -> Q:
        """Orders whose existence may be revealed: all but those of studies in other departments."""
        if scope.departments is None:
            return Q()
        return cls._of_visible_studies(scope) | Q(~Exists(_links()))

    @classmethod
    def _of_visible_studies(cls, scope: Scope) -> Q:
        return Q(Exists(_links().filter(scope.of_studies("study"))))

    @property
    def is_cancelled(self) -> bool:
        """Whether the order was cancelled."""
        return self.status == OrderStatus.CANCELLED

    @property
    def display_name(self) -> str:
        """The patient's name as pages show it."""
        return Patient(name=self.patient_name, patient_id="–").display_name


class OrderedStudy(OfStudy):
    """The link of an order and a study. `brought` has the case record values that it filled in."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="links")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="order_links")
    brought = models.JSONField(default=dict)
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="The person who linked them; none where number and patient agreed.",
    )
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["linked_at", "id"]
        verbose_name_plural = "ordered studies"
        constraints = [models.UniqueConstraint(fields=["order", "study"], name="one_link")]

    def __str__(self) -> str:
        return f"Order {self.order_id} of study {self.study_id}"


def _links() -> QuerySet[OrderedStudy]:
    """The links of an order, for use in a query of orders."""
    return OrderedStudy.objects.filter(order=OuterRef("pk"))


class QuestionState(models.TextChoices):
    """What became of a query."""

    WAITING = "waiting", _("To be queried")
    FOUND = "found", _("Answered with an order")
    NONE = "none", _("There is no order")
    FAILED = "failed", _("The answer cannot be used")


class OrderQuestion(Reasoned, OfStudy):
    """A query of a worklist for the order of a study that has none, and its last result.

    `round` counts new starts, after the study's number or patient has changed; a result of an
    earlier round is ignored. Only webportal.orders.questions changes it.
    """

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="order_questions")
    source = models.ForeignKey(OrderSource, on_delete=models.PROTECT, related_name="questions")
    state = models.CharField(
        max_length=10, choices=QuestionState.choices, default=QuestionState.WAITING
    )
    round = models.PositiveIntegerField(default=1)
    nones = models.PositiveSmallIntegerField(
        default=0, help_text="How often the answer was that there is none."
    )
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="How often the answer was an error."
    )
    next_at = models.DateTimeField(help_text="Not to be asked before.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When it answered last.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["study", "source"], name="one_question"),
            models.CheckConstraint(
                condition=Q(state__in=QuestionState.values), name="question_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["source", "next_at"],
                name="question_due",
                condition=Q(state="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"Question {self.pk}: {self.state}"


class OrderMessage(Reasoned):
    """A received message and its acknowledgement, without patient data.

    `sha256` excludes the header, which a sender may renew when it repeats a message.
    """

    source = models.ForeignKey(OrderSource, on_delete=models.PROTECT, related_name="messages")
    control_id = models.CharField("MSH-10", max_length=LONGEST_CONTROL_ID, blank=True)
    kind = models.CharField("MSH-9", max_length=40, blank=True)
    sha256 = models.CharField(max_length=64)
    answer = models.CharField(max_length=2)
    orders = models.PositiveSmallIntegerField(default=0, help_text="How many orders it described.")
    times_received = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField(help_text="The last time.")

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [models.Index(fields=["-received_at", "-id"], name="order_messages_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "control_id", "sha256"], name="order_message_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Message {self.pk}: {self.answer}"


class RejectedSender(models.Model):
    """An address that does not belong to a known system; only the latest are kept."""

    address = models.GenericIPAddressField(primary_key=True)
    times = models.PositiveIntegerField(default=1)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return self.address
