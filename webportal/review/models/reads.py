"""Reads and addenda."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.inference.models import Prediction
from webportal.records.models import Study
from webportal.records.visibility import OfStudy


class Decision(models.TextChoices):
    """The reader's decision on the model's result."""

    CONFIRM = "confirm", _("Confirm")
    OVERRULE = "overrule", _("Overrule")
    NOT_INTERPRETABLE = "not_interpretable", _("Not interpretable")
    UNAIDED = "unaided", _("Read without a model result")


class Pneumonia(models.TextChoices):
    """The reader's own finding."""

    NONE = "none", _("No pneumonia")
    POSSIBLE = "possible", _("Possible pneumonia")
    DEFINITE = "definite", _("Definite pneumonia")


class Zone(models.TextChoices):
    """A lung zone, with the patient's left and right; for codes see `reads.codes`."""

    RIGHT_UPPER = "right_upper", _("Right upper zone")
    RIGHT_MIDDLE = "right_middle", _("Right middle zone")
    RIGHT_LOWER = "right_lower", _("Right lower zone")
    LEFT_UPPER = "left_upper", _("Left upper zone")
    LEFT_MIDDLE = "left_middle", _("Left middle zone")
    LEFT_LOWER = "left_lower", _("Left lower zone")


class OtherFinding(models.TextChoices):
    """Other findings on a chest radiograph; for codes see `reads.codes`."""

    EFFUSION = "effusion", _("Pleural effusion")
    CARDIOMEGALY = "cardiomegaly", _("Cardiomegaly")
    PNEUMOTHORAX = "pneumothorax", _("Pneumothorax")
    ATELECTASIS = "atelectasis", _("Atelectasis")
    OTHER = "other", _("Other")


class ReadState(models.TextChoices):
    """A read is editable as a draft and immutable once signed.

    A read whose signature was taken back in time keeps its content and has no effect.
    """

    DRAFT = "draft", _("Draft")
    SIGNED = "signed", _("Signed")
    TAKEN_BACK = "taken_back", _("Signature taken back")


class ReadKind(models.TextChoices):
    """The kind of read. Only studies that go to a second reader have more than one.

    The values do not sort in the order in which the reads are made; `READ_ORDER` in
    `second_reading` does.
    """

    FIRST = "first", _("First read")
    SECOND = "second", _("Second read")
    ARBITRATION = "arbitration", _("Arbitration")


class SecondReadingReason(models.TextChoices):
    """Why a study goes to a second reader."""

    DRAWN = "drawn", _("Drawn at random")
    OVERRULED = "overruled", _("A positive model result was overruled")


class Read(OfStudy):
    """One radiologist's read of a study.

    Triggers refuse any change to a signed read, except taking its signature back in time. A read is
    amended by another one of the same reader and kind; which of them counts is derived from
    `amends` (see `standing`), not stored.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="reads")
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reads"
    )
    prediction = models.ForeignKey(
        Prediction,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reads",
        help_text="The result that the reader saw and decided on.",
    )
    state = models.CharField(max_length=10, choices=ReadState.choices, default=ReadState.DRAFT)
    kind = models.CharField(
        max_length=12,
        choices=ReadKind.choices,
        default=ReadKind.FIRST,
        help_text="Settled by the signature.",
    )
    decision = models.CharField(max_length=20, choices=Decision.choices, blank=True)
    pneumonia = models.CharField(max_length=10, choices=Pneumonia.choices, blank=True)
    zones = ArrayField(
        models.CharField(max_length=20, choices=Zone.choices),
        default=list,
        blank=True,
        help_text="Where the pneumonia is.",
    )
    other_findings = ArrayField(
        models.CharField(max_length=20, choices=OtherFinding.choices), default=list, blank=True
    )
    marks = models.JSONField(
        default=list,
        blank=True,
        help_text="Places on the images, as `Mark.as_json` in `marks` writes them.",
    )
    measurements = models.JSONField(
        default=list,
        blank=True,
        help_text="Lengths, angles and areas, as `measured` in `measurements` writes them.",
    )
    comment = models.TextField("impression", blank=True)
    identity = models.JSONField(
        default=dict,
        blank=True,
        help_text="Under which identity it was signed, as `shown_identity` in"
        " webportal.records.identity has it; empty in a draft and in earlier reads.",
    )
    amends = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="amendments",
        help_text="The signed read that this one supersedes, once it is signed itself.",
    )
    revision = models.PositiveSmallIntegerField(
        default=0, help_text="How many signed reads came before it in a chain of amendments."
    )
    reason = models.CharField(max_length=200, blank=True, help_text="Why it amends that read.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    signed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["signed_at"], name="read_signed", condition=Q(state="signed")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "kind", "revision"],
                condition=Q(state="signed"),
                name="one_signed_read_per_study_and_kind",
            ),
            models.UniqueConstraint(
                fields=["study", "reader", "revision"],
                condition=Q(state="signed"),
                name="one_signed_read_per_study_and_reader",
            ),
            models.UniqueConstraint(
                fields=["amends"], condition=Q(state="signed"), name="one_signed_amendment_per_read"
            ),
            models.UniqueConstraint(
                fields=["study", "reader"],
                condition=Q(state="draft"),
                name="one_draft_per_study_and_reader",
            ),
            models.CheckConstraint(
                condition=Q(state="draft", signed_at=None)
                | Q(state__in=["signed", "taken_back"], signed_at__isnull=False) & ~Q(decision=""),
                name="read_signed_when_complete",
            ),
            models.CheckConstraint(
                condition=Q(state="draft")
                | Q(decision="not_interpretable", pneumonia="")
                | Q(
                    decision__in=["confirm", "overrule"],
                    prediction__isnull=False,
                    pneumonia__in=Pneumonia.values,
                )
                | Q(decision="unaided", prediction=None, pneumonia__in=Pneumonia.values),
                name="read_finding_matches_decision",
            ),
            models.CheckConstraint(
                condition=Q(other_findings__contained_by=OtherFinding.values),
                name="read_other_findings_known",
            ),
            models.CheckConstraint(
                condition=Q(zones__contained_by=Zone.values), name="read_zones_known"
            ),
            models.CheckConstraint(
                condition=Q(state="draft")
                | Q(pneumonia__in=["possible", "definite"])
                | Q(zones=[]),
                name="read_zones_of_a_pneumonia",
            ),
            models.CheckConstraint(condition=Q(kind__in=ReadKind.values), name="read_kind_known"),
            models.CheckConstraint(
                condition=Q(state="draft")
                | Q(amends=None, revision=0, reason="")
                | Q(amends__isnull=False, revision__gt=0) & ~Q(reason=""),
                name="read_amendment_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"Read {self.id} ({self.state})"


class Addendum(OfStudy):
    """Signed text added to a signed read, with the reason for it; never edited."""

    study_path = "read__study"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    read = models.ForeignKey(Read, on_delete=models.PROTECT, related_name="addenda")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="addenda"
    )
    reason = models.CharField(max_length=200)
    text = models.TextField()
    signed_at = models.DateTimeField()

    class Meta:
        ordering = ["signed_at"]
        verbose_name_plural = "addenda"
        constraints = [
            models.CheckConstraint(condition=~Q(reason="") & ~Q(text=""), name="addendum_complete"),
        ]

    def __str__(self) -> str:
        return f"Addendum {self.id}"


class SecondReading(OfStudy):
    """The second reading of a study and its progress.

    Created when a first read is signed. `due` is the read that is pending: the second, then perhaps
    the arbitration, then none.
    """

    study = models.OneToOneField(
        Study, on_delete=models.PROTECT, primary_key=True, related_name="second_reading"
    )
    reason = models.CharField(max_length=10, choices=SecondReadingReason.choices)
    due = models.CharField(
        max_length=12,
        choices=[("second", _("Second read")), ("arbitration", _("Arbitration"))],
        default=ReadKind.SECOND,
        blank=True,
    )
    ordered_at = models.DateTimeField(auto_now_add=True)
    ordered_by = models.ForeignKey(
        Read,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="The read whose signature asked for it: with that signature it is taken back.",
    )

    class Meta:
        ordering = ["ordered_at"]
        indexes = [
            models.Index(fields=["study"], name="second_read_due", condition=Q(due="second")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(due__in=["", "second", "arbitration"]), name="second_reading_due_known"
            ),
            models.CheckConstraint(
                condition=Q(reason__in=SecondReadingReason.values),
                name="second_reading_reason_known",
            ),
        ]

    def __str__(self) -> str:
        return f"Second reading of {self.study_id} ({self.due or 'done'})"
