"""How far the audit trail has been sent."""

import uuid

from django.db import models


class Target(models.Model):
    """A server, by its address in AUDIT_EXPORT or AUDIT_EXPORT_FHIR, and its last entry.

    The trail itself is the outbox: every entry after `position` is still to be sent.
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
    failed_at_entry = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether the server answered that attempt, and it may not take the entry.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(position__gte=0), name="export_position_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} up to {self.position}"


class SetAside(models.Model):
    """An entry that a FHIR server refuses, set aside so that later ones arrive.

    The row is removed once the server accepts the entry, or hospital IT gives it up; the audit
    trail records either.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="set_aside")
    sequence = models.BigIntegerField()
    error = models.CharField(max_length=100, help_text="What the server said, such as HTTP 422.")
    since = models.DateTimeField(auto_now_add=True)
    is_to_be_sent = models.BooleanField(
        default=False, help_text="Whether hospital IT has asked to send it again."
    )

    class Meta:
        ordering = ("sequence",)
        constraints = [
            models.UniqueConstraint(fields=["target", "sequence"], name="one_set_aside_an_entry")
        ]

    def __str__(self) -> str:
        return f"{self.sequence} of {self.target_id}"
