"""Requests for roles that one administrator gives and another has to approve."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models.users import Role, User
from webportal.labels import label_of


class RequestOutcome(models.TextChoices):
    """What became of a request; empty while it is open."""

    APPROVED = "approved", _("approved")
    REJECTED = "rejected", _("rejected")
    WITHDRAWN = "withdrawn", _("withdrawn")


class RoleRequest(models.Model):
    """Roles that a user gets once a second administrator approves.

    Only webportal.accounts.role_requests and webportal.accounts.approval write it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_requests")
    roles = ArrayField(
        models.CharField(max_length=20, choices=Role.choices),
        help_text="In addition to those that the user has when it is approved.",
    )
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        help_text="Nobody if it was approved on the command line.",
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(
        max_length=10, choices=RequestOutcome.choices, blank=True, db_default="", default=""
    )

    class Meta:
        ordering = ["requested_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(outcome=""), name="one_open_role_request_of_a_user"
            ),
            models.CheckConstraint(
                condition=Q(roles__contained_by=Role.values) & ~Q(roles=[]),
                name="role_request_roles_known",
            ),
            models.CheckConstraint(
                condition=Q(outcome="", decided_at=None, decided_by=None)
                | Q(outcome__in=RequestOutcome.values, decided_at__isnull=False),
                name="role_request_decided_when",
            ),
        ]

    def __str__(self) -> str:
        return f"Roles of {self.user_id} ({self.outcome or 'open'})"

    @property
    def role_labels(self) -> list[str]:
        """The names of the roles."""
        return [label_of(Role, role) for role in self.roles]
