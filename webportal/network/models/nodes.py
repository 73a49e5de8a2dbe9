"""Nodes of the DICOM network, and rejected callers."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Department
from webportal.orders.models import OrderSource

LONGEST_AE_TITLE = 16


class Node(models.Model):
    """A modality, PACS or worklist.

    `account` is its actor in batches, studies and the audit trail. That has no password and no
    role.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ae_title = models.CharField(_("AE title"), max_length=LONGEST_AE_TITLE, unique=True)
    description = models.CharField(_("description"), max_length=100, blank=True)
    addresses = ArrayField(
        models.CharField(max_length=50),
        help_text="IP addresses and networks from which it calls.",
    )
    port = models.PositiveIntegerField(
        _("port"), null=True, blank=True, help_text="On which it listens, if it does."
    )
    uses_tls = models.BooleanField(
        _("encrypted by TLS"), default=False, help_text=_("When Chestline calls the device.")
    )
    certificate_name = models.CharField(
        _("name in its certificate"),
        max_length=253,
        blank=True,
        help_text=_("Empty if its certificate is for the address."),
    )
    department = models.ForeignKey(
        Department,
        verbose_name=_("department"),
        on_delete=models.PROTECT,
        related_name="nodes",
        help_text=_("New studies from this device belong to it."),
    )
    is_active = models.BooleanField(default=True)
    order_source = models.OneToOneField(
        OrderSource,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="node",
        help_text="The orders that its worklist told of, if it is or was asked for any.",
    )
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="node"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["ae_title"]
        constraints = [
            models.CheckConstraint(condition=~Q(ae_title=""), name="node_has_ae_title"),
            models.CheckConstraint(condition=~Q(addresses=[]), name="node_has_address"),
            models.CheckConstraint(
                condition=Q(port=None) | Q(port__gte=1, port__lte=65535), name="node_port"
            ),
        ]

    def __str__(self) -> str:
        return self.ae_title

    @property
    def host(self) -> str:
        """The address to call: its first single address, '' if it has only networks."""
        return next((each for each in self.addresses if "/" not in each), "")

    @property
    def is_worklist(self) -> bool:
        """Whether its worklist is asked for orders."""
        return self.order_source is not None and self.order_source.is_active


class RejectedCaller(models.Model):
    """A rejected caller, one row for each, to help IT to add the node.

    Written only by webportal.network.callers, which keeps the latest.
    """

    calling_ae_title = models.CharField(max_length=LONGEST_AE_TITLE)
    called_ae_title = models.CharField(max_length=LONGEST_AE_TITLE)
    address = models.GenericIPAddressField()
    reason = models.CharField(max_length=20)
    times = models.PositiveIntegerField(default=1)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(
                fields=["calling_ae_title", "called_ae_title", "address", "reason"],
                name="one_row_a_rejected_caller",
            )
        ]

    def __str__(self) -> str:
        return f"{self.calling_ae_title} from {self.address}"
