"""An entry of the access log."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AccessKind(models.TextChoices):
    """What a response shows, or what happened; docs/decisions/audit.md maps it to ATNA events."""

    LIST = "list", _("In a list")
    PATIENT = "patient", _("Patient’s record")
    STUDY = "study", _("Study")
    IMAGE = "image", _("Image")
    RESULT = "result", _("Model result")
    REPORT = "report", _("Report")
    EXPORT = "export", _("Export")
    HELD_FILE = "held_file", _("Held file")
    NOTIFICATION = "notification", _("Notifications")
    USERS = "users", _("Users")
    OPERATION = "operation", _("Queue, models and settings")
    AUDIT = "audit", _("Audit trail and access log")
    SIGN_IN = "sign_in", _("Sign-in")
    TOKEN = "token", _("API token")
    OTHER = "other", _("Other page")
    START = "start", _("Start")
    STOP = "stop", _("Stop")


class AccessOutcome(models.TextChoices):
    """The outcome of the request."""

    DONE = "done", _("Done")
    REFUSED = "refused", _("Refused")
    FAILED = "failed", _("Failed")


def kinds() -> list[tuple[str, object]]:
    """The choices of `kind`; migrations refer to this function, so they survive changes."""
    return list(AccessKind.choices)


class AccessEntry(models.Model):
    """An answered request, or the start or stop of a process. Written only by webportal.access.

    Triggers refuse UPDATE and TRUNCATE, and DELETE of entries younger than a year. There are no
    foreign keys: an entry outlives the objects it refers to.
    """

    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=20, choices=kinds)
    outcome = models.CharField(max_length=10, choices=AccessOutcome.choices)
    user_id = models.UUIDField(null=True)
    user = models.CharField(max_length=150, help_text="The user name, or `unknown` or `system`.")
    roles = ArrayField(
        models.CharField(max_length=20), help_text="Those of the person that opened it."
    )
    address = models.CharField(max_length=45, blank=True)
    device = models.CharField(max_length=200, blank=True, help_text="The user agent.")
    session = models.CharField(max_length=16, blank=True)
    token = models.CharField(max_length=120, blank=True)
    method = models.CharField(max_length=10, blank=True)
    route = models.CharField(max_length=80, blank=True, help_text="The name of the URL pattern.")
    status = models.PositiveSmallIntegerField(null=True)
    target = models.UUIDField(null=True, help_text="The id in the address.")
    study_ids = ArrayField(models.UUIDField())
    patient_ids = ArrayField(models.UUIDField())
    file_ids = ArrayField(models.UUIDField(), help_text="Files of uploads that are no images yet.")
    criteria = models.JSONField(default=dict, help_text="What was searched or filtered by.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "access entries"
        indexes = [
            GinIndex(fields=["study_ids"], name="access_studies"),
            GinIndex(fields=["patient_ids"], name="access_patients"),
            GinIndex(fields=["file_ids"], name="access_files", condition=~models.Q(file_ids=[])),
            # Entries are inserted in chronological order, so a BRIN index stays tiny.
            BrinIndex(fields=["at"], name="access_at", autosummarize=True),
            models.Index(fields=["user", "id"], name="access_user"),
            models.Index(fields=["address", "id"], name="access_address"),
            models.Index(
                fields=["target", "id"],
                condition=~models.Q(outcome=AccessOutcome.DONE),
                name="access_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind}"
