"""Research exports, and the studies in them."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Department
from webportal.records.choices import Category
from webportal.records.models import Study
from webportal.records.visibility import OfStudy

PURPOSE_LENGTH = 500


class ResearchExportState(models.TextChoices):
    """The state of an export."""

    WAITING = "waiting", _("Waiting")
    BUILDING = "building", _("Building")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")
    REMOVED = "removed", _("Removed")


class Removal(models.TextChoices):
    """Why the file of an export is gone."""

    EXPIRED = "expired", _("expired")
    BY_PERSON = "by_person", _("by the person who requested it")
    ERASURE = "erasure", _("because a patient was erased")


class ResearchExport(models.Model):
    """An export: the request, and what became of it. Pseudonyms are not kept anywhere."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="research_exports"
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    purpose = models.CharField(max_length=PURPOSE_LENGTH)
    since = models.DateField(null=True, blank=True, help_text="Of the examination.")
    until = models.DateField(null=True, blank=True)
    department = models.ForeignKey(
        Department, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    category = models.CharField(max_length=20, choices=Category.choices, blank=True)
    signed_only = models.BooleanField(default=True)
    with_unstated = models.BooleanField(
        default=False, help_text="Also images that do not say whether text is burnt in."
    )
    state = models.CharField(
        max_length=10, choices=ResearchExportState.choices, default=ResearchExportState.WAITING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When its process last wrote.")
    done = models.PositiveIntegerField(default=0, help_text="Studies so far.")
    total = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=20, blank=True, help_text="A code of FAILURES.")
    removal = models.CharField(max_length=10, choices=Removal.choices, blank=True)
    key = models.CharField(max_length=200, blank=True, help_text="Of the file in the storage.")
    size = models.PositiveBigIntegerField("bytes", default=0)
    sha256 = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of the file."
    )
    counts = models.JSONField(default=dict, help_text="Patients, studies, images and reads in it.")
    left_out = models.JSONField(default=dict, help_text="How many images, by a code of REASONS.")
    with_text = ArrayField(
        models.UUIDField(),
        default=list,
        db_default=[],
        help_text="The images left out for text in their pixels.",
    )

    class Meta:
        ordering = ["-requested_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(purpose=""), name="research_export_has_purpose"),
            models.CheckConstraint(
                condition=Q(state__in=ResearchExportState.values),
                name="research_export_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="ready") & ~Q(key="") | ~Q(state="ready") & Q(key=""),
                name="research_export_file_when_ready",
            ),
        ]

    def __str__(self) -> str:
        return f"Research export {self.id} ({self.state})"


class ExportedStudy(OfStudy):
    """A study in an export; kept after the export's file is gone."""

    export = models.ForeignKey(ResearchExport, on_delete=models.PROTECT, related_name="studies")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="research_exports")

    class Meta:
        verbose_name_plural = "exported studies"
        constraints = [
            models.UniqueConstraint(fields=["export", "study"], name="study_once_per_export"),
        ]

    def __str__(self) -> str:
        return f"Study {self.study_id} in {self.export_id}"
