"""Model versions, inference jobs and predictions."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.text import get_text_list
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ml.serving.stages import ADULT, CHILD
from webportal.inference.messages import CORRECTIONS
from webportal.reasons import Reasoned
from webportal.records.choices import Category, Priority, Purpose
from webportal.records.models import SHA256_HEX, Radiograph, Study
from webportal.records.shown_result import ShownResult
from webportal.records.visibility import OfStudy


class ModelVersion(models.Model):
    """A registered model package. At most one version is active."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    version = models.CharField(max_length=50, unique=True)
    package_sha256 = models.CharField(max_length=64, unique=True)
    package_path = models.CharField(max_length=400)
    thresholds = models.JSONField(help_text="Operating points of this version.")
    figures = models.JSONField(help_text="What was measured of this version.")
    population = models.JSONField(
        default=dict,
        help_text="What it was made for (ages, views), and the prevalence it was calibrated on.",
    )
    independent_figures = models.JSONField(
        default=list,
        help_text="Figures from images that took no part in making it; see ml.serving.package.",
    )
    card = models.TextField(help_text="The model card, Markdown.")
    is_active = models.BooleanField(default=False)
    registered_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(
        null=True, blank=True, help_text="When it last became the active version."
    )
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who activated it last; null when the installation did.",
    )

    class Meta:
        ordering = ["-registered_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="one_active_model"
            ),
            models.CheckConstraint(
                condition=Q(package_sha256__regex=SHA256_HEX), name="model_sha256"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class JobState(models.TextChoices):
    """For transitions see webportal.inference.queue."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    REFUSED = "refused", _("Not assessable")
    QUARANTINED = "quarantined", _("Quarantined")
    CANCELLED = "cancelled", _("Cancelled")


class Job(Reasoned, OfStudy):
    """One inference job for one radiograph.

    Its state is changed only by webportal.inference.queue and webportal.inference.claims.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    radiograph = models.ForeignKey(Radiograph, on_delete=models.PROTECT, related_name="jobs")
    study = models.ForeignKey(
        Study,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The radiograph's, which never changes; here so that an index finds it by state.",
    )
    state = models.CharField(max_length=12, choices=JobState.choices, default=JobState.QUEUED)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.ROUTINE)
    attempt = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=150, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    traceparent = models.CharField(
        max_length=55,
        blank=True,
        default="",
        db_default="",
        help_text="The request that queued it, for OpenTelemetry (W3C Trace Context).",
    )

    class Meta:
        ordering = ["-queued_at"]
        indexes = [
            models.Index(
                fields=["priority", "queued_at", "id"],
                name="job_queue",
                condition=Q(state="queued"),
            ),
            models.Index(fields=["leased_until"], name="job_leases", condition=Q(state="running")),
            models.Index(fields=["state", "finished_at"], name="job_state"),
            # For listing studies; most jobs are done and appear in no such list.
            models.Index(
                fields=["state", "study"],
                name="job_study",
                condition=Q(state__in=["queued", "running", "quarantined", "cancelled"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["radiograph"],
                condition=Q(state__in=["queued", "running"]),
                name="one_open_job_per_radiograph",
            ),
            models.CheckConstraint(
                condition=Q(state="running", leased_until__isnull=False, attempt__gte=1)
                & ~Q(worker="")
                | ~Q(state="running") & Q(leased_until=None),
                name="job_lease_while_running",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at=None)
                | Q(
                    state__in=["done", "refused", "quarantined", "cancelled"],
                    finished_at__isnull=False,
                ),
                name="job_finished_when_closed",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["refused", "quarantined"]) | ~Q(reason_code=""),
                name="job_reason_given",
            ),
            models.CheckConstraint(
                condition=Q(priority__in=Priority.values), name="job_priority_known"
            ),
        ]

    def __str__(self) -> str:
        return f"Job {self.id} ({self.state})"


class Prediction(ShownResult, Reasoned, OfStudy):
    """The result of one model version for one radiograph. At most one is current.

    `category` and `probability` are the model's own output; `shown_category` and
    `shown_probability` are what is displayed.
    """

    study_path = "radiograph__study"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    radiograph = models.ForeignKey(Radiograph, on_delete=models.PROTECT, related_name="predictions")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="prediction")
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="predictions"
    )
    category = models.CharField(max_length=20, choices=Category.choices)
    probability = models.FloatField(
        null=True, help_text="Calibrated probability of pneumonia, 0 to 1; null if not assessable."
    )
    bacterial_probability = models.FloatField(
        null=True,
        help_text=(
            "Calibrated probability, 0 to 1, that a pneumonia, if it is one, is of the bacterial "
            "rather than the viral pattern; null if the version does not tell, or not assessable."
        ),
    )
    correction = models.CharField(
        max_length=60,
        blank=True,
        help_text=(
            "What was done to the picture before it was assessed: codes joined by '+'; the heat "
            "map lies on the picture as it came."
        ),
    )
    assessed_as = models.CharField(
        max_length=5,
        blank=True,
        db_default="",
        default="",
        help_text=(
            "'child' or 'adult', by the image, where the version assesses these differently; ''"
            " where it does not, or not assessable."
        ),
    )
    purpose = models.CharField(
        max_length=12,
        choices=Purpose.choices,
        blank=True,
        help_text=(
            "Whether the version was made for such an image; '' where it has not been judged yet."
            " Written by webportal.inference alone, and anew when birth date or study date change."
        ),
    )
    purpose_reasons = models.JSONField(
        default=list,
        help_text="Why not plainly so: pairs of a code and values, the gravest first.",
    )
    rejudged_at = models.DateTimeField(
        null=True, blank=True, help_text="When the purpose last became another; null if never."
    )
    heatmap = models.BinaryField(help_text="Class activation map, row by row, one byte a cell.")
    heatmap_rows = models.PositiveSmallIntegerField(default=0)
    heatmap_columns = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=150)
    device = models.CharField(max_length=100)
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["rejudged_at"],
                name="prediction_rejudged",
                condition=Q(rejudged_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["radiograph"],
                condition=Q(is_current=True),
                name="one_current_prediction_per_radiograph",
            ),
            models.CheckConstraint(
                condition=Q(category="not_assessable", probability=None) & ~Q(reason_code="")
                | Q(
                    category__in=["likely", "indeterminate", "unlikely"],
                    probability__gte=0.0,
                    probability__lte=1.0,
                    reason_code="",
                ),
                name="prediction_complete",
            ),
            models.CheckConstraint(
                condition=Q(bacterial_probability=None)
                | Q(bacterial_probability__gte=0.0, bacterial_probability__lte=1.0)
                & ~Q(category="not_assessable"),
                name="prediction_pattern",
            ),
        ]

    def __str__(self) -> str:
        return f"Prediction {self.id} ({self.category})"

    @property
    def is_of_adult(self) -> bool:
        """Whether the image was assessed as an adult's."""
        return self.assessed_as == ADULT

    @property
    def is_of_child(self) -> bool:
        """Whether the image was assessed as a child's, by a version that tells the two apart."""
        return self.assessed_as == CHILD

    @property
    def correction_text(self) -> str:
        """How the image was altered before assessment, as text; '' if it was not."""
        codes = self.correction.split("+") if self.correction else []
        return get_text_list([str(CORRECTIONS.get(c, c)) for c in codes], gettext("and"))
