"""What radiologists say of a study: the read, and the addenda after it is signed."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from webportal.inference.models import Prediction
from webportal.records.models import Study


class Decision(models.TextChoices):
    """How the reader stands to the model's result."""

    CONFIRM = "confirm", "Confirm"
    OVERRULE = "overrule", "Overrule"
    NOT_INTERPRETABLE = "not_interpretable", "Not interpretable"
    UNAIDED = "unaided", "Read without a result of the model"


class Pneumonia(models.TextChoices):
    """The reader's own finding."""

    NONE = "none", "No pneumonia"
    POSSIBLE = "possible", "Possible pneumonia"
    DEFINITE = "definite", "Definite pneumonia"


class OtherFinding(models.TextChoices):
    """Further findings on a chest radiograph."""

    EFFUSION = "effusion", "Pleural effusion"
    CARDIOMEGALY = "cardiomegaly", "Cardiomegaly"
    PNEUMOTHORAX = "pneumothorax", "Pneumothorax"
    ATELECTASIS = "atelectasis", "Atelectasis"
    OTHER = "other", "Other"


class ReadState(models.TextChoices):
    """A read is edited as a draft and never again after it is signed."""

    DRAFT = "draft", "Draft"
    SIGNED = "signed", "Signed"


class Read(models.Model):
    """One radiologist's read of a study. A trigger refuses any change to a signed read."""

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
    decision = models.CharField(max_length=20, choices=Decision.choices, blank=True)
    pneumonia = models.CharField(max_length=10, choices=Pneumonia.choices, blank=True)
    other_findings = ArrayField(
        models.CharField(max_length=20, choices=OtherFinding.choices), default=list, blank=True
    )
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    signed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["study"], condition=Q(state="signed"), name="one_signed_read_per_study"
            ),
            models.UniqueConstraint(
                fields=["study", "reader"],
                condition=Q(state="draft"),
                name="one_draft_per_study_and_reader",
            ),
            models.CheckConstraint(
                condition=Q(state="draft", signed_at=None)
                | Q(state="signed", signed_at__isnull=False) & ~Q(decision=""),
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
        ]

    def __str__(self) -> str:
        return f"Read {self.id} ({self.state})"


class Addendum(models.Model):
    """Signed text added to a signed read, with the reason for it; never edited."""

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
