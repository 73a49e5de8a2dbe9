"""How far the audit trail has been sent."""

from django.db import models


class Target(models.Model):
    """A server, by its address in AUDIT_EXPORT or AUDIT_EXPORT_FHIR, and the last entry it has.

    The trail itself is the outbox: whatever comes after `position` is still to be sent.
    """

    address = models.CharField(max_length=300, primary_key=True)
    position = models.BigIntegerField(
        default=0, help_text="The sequence of the last entry known to have arrived."
    )
    moved_at = models.DateTimeField(
        auto_now_add=True, help_text="When the position last changed; at first, when it was set."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    next_attempt_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, help_text="Why the last attempt failed.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(position__gte=0), name="export_position_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} up to {self.position}"
