"""Upload batches and the verdict on each file in them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Department
from webportal.reasons import Reasoned
from webportal.records.choices import Priority
from webportal.records.models import Radiograph
from webportal.records.visibility import OfStudy, Scope


class IdentityMode(models.TextChoices):
    """Where the patient of a file comes from if the file does not say."""

    TEMPORARY = "temporary", _("A temporary patient for each file, to be completed later")
    FORM = "form", _("One patient for all files, from the form")
    SHEET = "sheet", _("A CSV sheet with one line for each file")


class UploadBatch(OfStudy):
    """Files that one user sends together."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="upload_batches"
    )
    department = models.ForeignKey(
        Department,
        on_delete=models.PROTECT,
        related_name="upload_batches",
        help_text="Of the studies that are created from its files.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.ROUTINE)
    identity_mode = models.CharField(
        max_length=10, choices=IdentityMode.choices, default=IdentityMode.TEMPORARY
    )
    case_records = models.JSONField(
        default=dict,
        help_text="Checked case records: under '' the one of the form, else one per file name.",
    )
    is_prior = models.BooleanField(
        default=False,
        help_text="Whether it brings earlier studies for comparison, which nobody is to read.",
    )
    expected_files = models.PositiveIntegerField(
        default=0, help_text="How many files the sender announced; 0 when not known."
    )

    class Meta:
        verbose_name_plural = "upload batches"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values), name="batch_priority_known"
            ),
            models.CheckConstraint(
                condition=Q(identity_mode__in=IdentityMode.values), name="batch_mode_known"
            ),
        ]

    @classmethod
    def visible_in(cls, scope: Scope) -> Q:
        """Those of the person's departments; an emergency is about a patient, not about these."""
        return scope.of_departments()

    def __str__(self) -> str:
        return self.name or f"Batch {self.created_at:%Y-%m-%d %H:%M}"


class Verdict(models.TextChoices):
    """The outcome of a file."""

    ACCEPTED = "accepted", _("Accepted")
    DUPLICATE = "duplicate", _("Already stored")
    HELD = "held", _("Held: awaiting a decision")
    REFUSED = "refused", _("Refused")
    DISCARDED = "discarded", _("Discarded after review")


class UploadItem(Reasoned, OfStudy):
    """One file of a batch and its verdict. A file sent again updates the same item."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.ForeignKey(UploadBatch, on_delete=models.PROTECT, related_name="items")
    file_name = models.CharField(max_length=400)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    radiograph = models.ForeignKey(
        Radiograph, on_delete=models.PROTECT, null=True, blank=True, related_name="upload_items"
    )
    held_key = models.CharField(
        max_length=200, blank=True, help_text="Where the bytes of a held file wait."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "file_name", "sha256"], name="item_once_per_batch"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["accepted", "duplicate"], radiograph__isnull=False)
                | Q(verdict="held", radiograph=None) & ~Q(held_key="") & ~Q(reason_code="")
                | Q(verdict__in=["refused", "discarded"], radiograph=None) & ~Q(reason_code=""),
                name="item_verdict_complete",
            ),
        ]
        indexes = [
            models.Index(fields=["verdict"], name="item_held", condition=Q(verdict="held")),
        ]

    @classmethod
    def visible_in(cls, scope: Scope) -> Q:
        """Those of visible batches; their images may belong to a study that is not visible."""
        return scope.of_departments("batch__department")

    def __str__(self) -> str:
        return f"{self.file_name}: {self.verdict}"
