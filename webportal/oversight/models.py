"""Shadow trials of a version, and their results; drift by week.

No reader is ever shown any of this: the results are separate rows, to which nothing leads from
a study, an image or a result, and nothing that readers use imports this app (the import rules in
pyproject.toml, `tests/oversight/test_invisible.py`).
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.inference.models import ModelVersion, Prediction
from webportal.records.choices import Category
from webportal.records.models import Radiograph
from webportal.records.visibility import OfStudy


class ShadowEnd(models.TextChoices):
    """Why a trial has ended."""

    STOPPED = "stopped", _("stopped by hospital IT")
    OVER = "over", _("its time was over")
    ACTIVATED = "activated", _("another version was activated")
    WORKERS_LOST = "workers_lost", _("workers died while they ran it")


class Shadow(models.Model):
    """A trial: one version assesses images beside the active one, unseen.

    Written only by webportal.oversight.shadow. It runs until it is ended, its time is over, or
    `beside` is no longer the active version.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="+", help_text="The one on trial."
    )
    beside = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The active version, with whose results it is compared.",
    )
    share = models.PositiveSmallIntegerField(help_text="Of how many studies in a hundred.")
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    ends_at = models.DateTimeField()
    planned_until = models.DateTimeField(help_text="Results up to then have been looked at.")
    lost_batches = models.PositiveSmallIntegerField(
        default=0, help_text="How often a worker died while it ran the version."
    )
    cannot_load = models.CharField(
        max_length=150, blank=True, help_text="The worker that last failed to load the version."
    )
    failing = models.CharField(
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text="The worker whose work on it last ended in errors, again and again.",
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    end = models.CharField(max_length=12, choices=ShadowEnd.choices, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                Value(1), condition=Q(ended_at=None), name="one_shadow_at_a_time"
            ),
            models.CheckConstraint(condition=Q(share__gte=1, share__lte=100), name="shadow_share"),
            models.CheckConstraint(
                condition=~Q(model_version=F("beside")), name="shadow_beside_another"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, end="") | Q(ended_at__isnull=False) & ~Q(end=""),
                name="shadow_end_given",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} beside {self.beside}"

    @property
    def is_open(self) -> bool:
        """Whether it has not been ended and its time is not over."""
        return self.ended_at is None and self.ends_at > timezone.now()


class ShadowState(models.TextChoices):
    """How far an image of a trial is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ShadowResult(OfStudy):
    """The result of the version on trial for an image, beside the active version's.

    It is not part of the record: only the figures of a whole trial show it, and it has no audit
    entry.
    """

    study_path = "radiograph__study"

    shadow = models.ForeignKey(Shadow, on_delete=models.PROTECT, related_name="results")
    radiograph = models.ForeignKey(Radiograph, on_delete=models.PROTECT, related_name="+")
    prediction = models.ForeignKey(
        Prediction, on_delete=models.PROTECT, related_name="+", help_text="Of the active version."
    )
    state = models.CharField(max_length=8, choices=ShadowState.choices, default=ShadowState.WAITING)
    worker = models.CharField(max_length=150, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    category = models.CharField(max_length=20, choices=Category.choices, blank=True)
    probability = models.FloatField(null=True, help_text="Calibrated, 0 to 1.")
    reason_code = models.CharField(
        max_length=40, blank=True, help_text="Why it is not assessable, or failed."
    )

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["shadow", "id"], name="shadow_waiting", condition=Q(state="waiting")
            ),
            models.Index(
                fields=["leased_until"], name="shadow_running", condition=Q(state="running")
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["shadow", "radiograph"], name="one_shadow_result_per_image"
            ),
            models.CheckConstraint(
                condition=Q(state="running", leased_until__isnull=False) & ~Q(worker="")
                | ~Q(state="running") & Q(leased_until=None),
                name="shadow_lease_while_running",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running"], category="", probability=None)
                | Q(state="failed", category="", probability=None) & ~Q(reason_code="")
                | Q(state="done", category="not_assessable", probability=None) & ~Q(reason_code="")
                | Q(
                    state="done",
                    category__in=["likely", "indeterminate", "unlikely"],
                    probability__gte=0.0,
                    probability__lte=1.0,
                    reason_code="",
                ),
                name="shadow_result_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"Shadow result {self.pk} ({self.state})"


class DriftWeek(models.Model):
    """A week of the active version in figures, without ids; see webportal.oversight.drift.

    `figures` counts images by `results`, `ages`, `views` and `equipment`, and the signed `reads`
    and how many of them `overruled` the result.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    starts_on = models.DateField(help_text="A Monday, local time.")
    computed_at = models.DateTimeField()
    scored = models.PositiveIntegerField(help_text="Images with a score that counts.")
    is_reference = models.BooleanField(help_text="Whether later weeks are compared with it.")
    reference_scored = models.PositiveIntegerField(
        default=0, help_text="Images with a score in the reference that it was compared with."
    )
    psi = models.FloatField(
        null=True, help_text="Population stability index of the scores; null if too few."
    )
    ks = models.FloatField(
        null=True, help_text="Kolmogorov-Smirnov distance of the scores; null if too few."
    )
    figures = models.JSONField()

    class Meta:
        ordering = ["starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["model_version", "starts_on"], name="one_drift_week_of_a_version"
            ),
        ]

    def __str__(self) -> str:
        return f"Week from {self.starts_on:%Y-%m-%d} of {self.model_version_id}"
