"""Earlier studies, requested from nodes."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.network.models.nodes import Node
from webportal.reasons import Reasoned
from webportal.records.identifiers import LONGEST
from webportal.records.models import Study
from webportal.records.visibility import OfStudy


class PriorProtocol(models.TextChoices):
    """How earlier studies are retrieved."""

    GET = "get", _("C-GET")
    MOVE = "move", _("C-MOVE to this receiver")


class PriorSource(models.Model):
    """Which earlier studies are retrieved from a node; written only by webportal.network.priors."""

    node = models.OneToOneField(Node, on_delete=models.PROTECT, related_name="prior_source")
    is_active = models.BooleanField(_("Fetch prior studies from this device"), default=False)
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
    """The state of a query for the earlier studies of a patient."""

    WAITING = "waiting", _("Waiting")
    DONE = "done", _("Done")
    GIVEN_UP = "given_up", _("Given up")


class PriorRequest(Reasoned, OfStudy):
    """A node is to be queried for the patient's earlier studies, because `study` has come in.

    Written only by webportal.network.priors, as are its PriorStudy rows.
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
    """What became of an earlier study that a node has."""

    WANTED = "wanted", _("To be fetched")
    FETCHED = "fetched", _("Fetched")
    PRESENT = "present", _("Here already")
    REFUSED = "refused", _("Not fetched")


class PriorStudy(Reasoned, OfStudy):
    """An earlier study that a node has, and whether it was retrieved."""

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
