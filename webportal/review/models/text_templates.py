"""Texts that readers insert by a key."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class TextTemplate(models.Model):
    """A text snippet for the impression, inserted by its key; personal or shared."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="text_templates",
        help_text="Nobody: shared by all radiologists.",
    )
    key = models.CharField(_("key"), max_length=1)
    name = models.CharField(_("name"), max_length=60)
    text = models.TextField(_("text"), max_length=4000)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key"], nulls_distinct=False, name="one_template_per_key"
            ),
            models.CheckConstraint(
                condition=Q(key__regex=r"^[a-z0-9]$") & ~Q(name="") & ~Q(text=""),
                name="template_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"Template {self.id}"
