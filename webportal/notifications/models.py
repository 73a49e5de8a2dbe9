"""Notifications and e-mail preferences.

The row is the source of truth: it records a notification for a person and the state of its e-mail.
Constraints allow one notification per batch and person, and one unread stat notification per
person, so that nobody is notified twice.
"""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import RoleRequest
from webportal.intake.models import UploadBatch
from webportal.records.choices import Category
from webportal.records.models import EmergencyAccess, IdentityCorrection, Study


class NotificationKind(models.TextChoices):
    """Kinds of notification."""

    BATCH_DONE = "batch_done", _("One of my uploads has finished")
    STAT_UNREAD = "stat_unread", _("A stat study waits unread for too long")
    STUDIES_ASSIGNED = "studies_assigned", _("Studies are assigned to me")
    READ_OVERRULED = "read_overruled", _("An arbitration overrules one of my reads")
    STUDIES_SIGNED = "studies_signed", _("Studies that I uploaded are signed")
    IDENTITY_CORRECTED = (
        "identity_corrected",
        _("The identity under which I signed a read is corrected"),
    )
    REPORTS_READY = "reports_ready", _("Reports on patients whom I referred are ready")
    SYSTEM_ALERT = "system_alert", _("The system needs attention")
    PASSWORD_RESET = "password_reset", _("Hospital IT gave me a one-time password")
    FACTOR_ADDED = "factor_added", _("A second factor was added to my account")
    FACTOR_REMOVED = "factor_removed", _("One of my second factors was removed")
    FACTOR_RESET = "factor_reset", _("Hospital IT reset my second factor")
    EMERGENCY = "emergency", _("Somebody uses emergency access")
    EMERGENCY_OVERDUE = "emergency_overdue", _("The review of an emergency access is overdue")
    ROLES_REQUESTED = "roles_requested", _("Roles wait for my approval")
    ROLES_DECIDED = "roles_decided", _("Roles that I gave are approved or rejected")


#: Kinds with one unread notification per person, whose count grows until it is read.
#: Everything else about a kind is in webportal.notifications.kinds.
COUNTED_KINDS = [
    NotificationKind.STUDIES_ASSIGNED,
    NotificationKind.STUDIES_SIGNED,
    NotificationKind.REPORTS_READY,
]

#: Kinds about an emergency access.
EMERGENCY_KINDS = [NotificationKind.EMERGENCY, NotificationKind.EMERGENCY_OVERDUE]

#: Kinds about roles that take a second administrator's approval.
ROLE_KINDS = [NotificationKind.ROLES_REQUESTED, NotificationKind.ROLES_DECIDED]

#: Kinds about the user's own account, which cannot be switched off.
ACCOUNT_KINDS = [
    NotificationKind.PASSWORD_RESET,
    NotificationKind.FACTOR_ADDED,
    NotificationKind.FACTOR_REMOVED,
    NotificationKind.FACTOR_RESET,
]


#: Those of which this release knows the sentence: others, of a later one, wait until it is back.
OF_KNOWN_KIND = Q(kind__in=NotificationKind.values)


class MailState(models.TextChoices):
    """State of a notification's e-mail."""

    NONE = "none", _("No e-mail")
    DUE = "due", _("E-mail to be sent")
    SENT = "sent", _("E-mail sent")
    FAILED = "failed", _("E-mail could not be sent")


class SystemAlert(models.Model):
    """A problem for hospital IT from `since` until `cleared_at`; see `alerts`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(max_length=40)
    since = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(cleared_at=None), name="one_open_alert_of_a_code"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} since {self.since:%Y-%m-%d %H:%M}"


class Notification(models.Model):
    """A notification for one person."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="notifications"
    )
    kind = models.CharField(max_length=20, choices=NotificationKind.choices)
    batch = models.ForeignKey(
        UploadBatch, on_delete=models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    study = models.ForeignKey(
        Study, on_delete=models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    alert = models.ForeignKey(
        SystemAlert, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    correction = models.ForeignKey(
        IdentityCorrection,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="notifications",
    )
    emergency = models.ForeignKey(
        EmergencyAccess,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="notifications",
    )
    role_request = models.ForeignKey(
        RoleRequest, on_delete=models.PROTECT, null=True, blank=True, related_name="notifications"
    )
    studies = models.PositiveIntegerField(default=0, help_text="How many studies it is about.")
    counted_until = models.DateTimeField(
        null=True, blank=True, help_text="What happened up to then is in the number of studies."
    )
    waiting_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when the first of them has been waiting."
    )
    category = models.CharField(
        max_length=20,
        choices=Category.choices,
        blank=True,
        help_text="The result that all of them have; empty where it is not to be told.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)
    mail_state = models.CharField(max_length=10, choices=MailState.choices, default=MailState.NONE)
    mail_attempts = models.PositiveSmallIntegerField(default=0)
    mail_due_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        indexes = [
            models.Index(
                fields=["recipient"], name="notification_unread", condition=Q(read_at=None)
            ),
            models.Index(
                fields=["mail_due_at"], name="notification_mail", condition=Q(mail_state="due")
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["recipient", "batch"], name="one_a_person_and_batch"),
            models.UniqueConstraint(
                fields=["recipient"],
                condition=Q(kind="stat_unread", read_at=None),
                name="one_unread_of_stat_studies",
            ),
            models.UniqueConstraint(
                fields=["recipient", "kind"],
                condition=Q(kind__in=COUNTED_KINDS, read_at=None),
                name="one_unread_of_a_counted_kind",
            ),
            models.UniqueConstraint(
                fields=["recipient", "kind", "study"], name="one_a_person_kind_and_study"
            ),
            models.UniqueConstraint(
                fields=["recipient", "correction"], name="one_a_person_and_correction"
            ),
            models.UniqueConstraint(fields=["recipient", "alert"], name="one_a_person_and_alert"),
            models.CheckConstraint(
                condition=Q(
                    kind="batch_done",
                    batch__isnull=False,
                    study=None,
                    alert=None,
                    studies=0,
                    waiting_since=None,
                )
                | Q(
                    kind="stat_unread",
                    batch=None,
                    study=None,
                    alert=None,
                    studies__gte=1,
                    waiting_since__isnull=False,
                )
                | Q(
                    kind__in=COUNTED_KINDS,
                    batch=None,
                    study=None,
                    alert=None,
                    studies__gte=1,
                    counted_until__isnull=False,
                )
                | Q(kind="identity_corrected", batch=None, study=None, alert=None)
                | Q(kind="read_overruled", batch=None, study__isnull=False, alert=None)
                | Q(kind="system_alert", batch=None, study=None, alert__isnull=False)
                | Q(
                    kind__in=ACCOUNT_KINDS + EMERGENCY_KINDS + ROLE_KINDS,
                    batch=None,
                    study=None,
                    alert=None,
                ),
                name="notification_names_its_thing",
            ),
            models.CheckConstraint(
                condition=Q(kind="identity_corrected", correction__isnull=False)
                | ~Q(kind="identity_corrected") & Q(correction=None),
                name="notification_names_its_correction",
            ),
            models.UniqueConstraint(
                fields=["recipient", "kind", "emergency"], name="one_a_person_kind_and_emergency"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=EMERGENCY_KINDS, emergency__isnull=False)
                | ~Q(kind__in=EMERGENCY_KINDS) & Q(emergency=None),
                name="notification_names_its_emergency",
            ),
            models.UniqueConstraint(
                fields=["recipient", "kind", "role_request"], name="one_a_person_kind_and_request"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ROLE_KINDS, role_request__isnull=False)
                | ~Q(kind__in=ROLE_KINDS) & Q(role_request=None),
                name="notification_names_its_request",
            ),
            models.CheckConstraint(
                condition=Q(mail_state="due", mail_due_at__isnull=False, mailed_at=None)
                | Q(mail_state="sent", mail_due_at=None, mailed_at__isnull=False)
                | Q(mail_state__in=["none", "failed"], mail_due_at=None, mailed_at=None),
                name="notification_mail_state",
            ),
        ]

    def __str__(self) -> str:
        return f"Notification {self.id} ({self.kind})"


class MailChoice(models.Model):
    """Kinds for which a person wants e-mail; without a row none."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="mail_choice",
    )
    kinds = ArrayField(
        models.CharField(max_length=20, choices=NotificationKind.choices), default=list
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kinds__contained_by=NotificationKind.values), name="mail_kinds_known"
            ),
        ]

    def __str__(self) -> str:
        return f"E-mail for {self.user_id}"
