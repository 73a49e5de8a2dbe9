"""Signing PINs."""

from django.conf import settings
from django.db import models


class SigningPin(models.Model):
    """A short secret that its owner can sign with after the password has opened a series."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="signing_pin",
    )
    pin_hash = models.CharField(max_length=128)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Signing PIN of {self.user_id}"
