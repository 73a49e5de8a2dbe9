"""The append-only, chained audit trail."""

import uuid
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from webportal.audit.findings import Finding, TrailVerdict


class Action(models.TextChoices):
    """What happened. Values are stable: they are part of the chained content."""

    SIGNED_IN = "user.signed_in", _("Signed in")
    SIGN_IN_FAILED = "user.sign_in_failed", _("Sign-in failed")
    SIGNED_OUT = "user.signed_out", _("Signed out")
    USER_CREATED = "user.created", _("User created")
    USER_CHANGED = "user.changed", _("User changed")
    ROLES_REQUESTED = "roles.requested", _("Roles given, to be approved")
    ROLES_APPROVED = "roles.approved", _("Roles approved")
    ROLES_REJECTED = "roles.rejected", _("Roles rejected")
    ROLES_WITHDRAWN = "roles.withdrawn", _("Roles withdrawn before approval")
    PASSWORD_CHANGED = "user.password_changed", _("Password changed")
    IDENTITY_LINKED = "user.identity_linked", _("Account linked to the identity provider")
    FACTOR_ADDED = "user.factor_added", _("Second factor added")
    FACTOR_REMOVED = "user.factor_removed", _("Second factor removed")
    FACTORS_RESET = "user.factors_reset", _("Second factor reset by hospital IT")
    RECOVERY_CODES_MADE = "user.recovery_codes_made", _("Recovery codes generated")
    TOKEN_CREATED = "token.created", _("API token created")
    TOKEN_REVOKED = "token.revoked", _("API token revoked")
    DEPARTMENT_CREATED = "department.created", _("Department added")
    DEPARTMENT_CHANGED = "department.changed", _("Department renamed")
    EMERGENCY_BEGUN = "emergency.begun", _("Emergency access started")
    EMERGENCY_ENDED = "emergency.ended", _("Emergency access ended")
    EMERGENCY_FAILED = "emergency.failed", _("Emergency access failed")
    EMERGENCY_REVIEWED = "emergency.reviewed", _("Emergency access reviewed")
    PATIENT_CREATED = "patient.created", _("Patient created")
    PATIENT_CHANGED = "patient.changed", _("Patient changed")
    PATIENT_VIEWED = "patient.viewed", _("Patient viewed")
    IDENTITY_CORRECTED = "patient.identity_corrected", _("Identity corrected after a signature")
    CORRECTION_SEEN = "patient.correction_seen", _("Correction of an identity acknowledged")
    STUDY_CREATED = "study.created", _("Study created")
    STUDY_CHANGED = "study.changed", _("Study changed")
    STUDY_MOVED = "study.moved", _("Study moved to another department")
    STUDY_VIEWED = "study.viewed", _("Study viewed")
    RADIOGRAPH_STORED = "radiograph.stored", _("Radiograph stored")
    IMAGE_FETCHED = "image.fetched", _("Image sent to a browser")
    IMAGE_VIEWED = "image.viewed", _("Image viewed")
    IMAGE_DOWNLOADED = "image.downloaded", _("Image downloaded")
    BATCH_CREATED = "batch.created", _("Upload batch created")
    FILE_REFUSED = "file.refused", _("File refused")
    FILE_HELD = "file.held", _("File held for patient matching")
    FILE_RESOLVED = "file.resolved", _("Patient matching resolved")
    FILES_REMOVED = "files.removed", _("Unreferenced file moved to the trash")
    FILE_PUT_BACK = "file.put_back", _("File put back from the trash")
    TRASH_EMPTIED = "trash.emptied", _("File in the trash permanently deleted")
    REMOVAL_PAUSED = "removal.paused", _("Removal of files paused")
    REMOVAL_RESUMED = "removal.resumed", _("Removal of files resumed")
    FILE_DAMAGED = "file.damaged", _("Stored file found missing or damaged")
    FILE_REPAIRED = "file.repaired", _("Stored file repaired")
    HOLD_PLACED = "hold.placed", _("Legal hold placed")
    HOLD_LIFTED = "hold.lifted", _("Legal hold lifted")
    BACKUP_RESTORED = "backup.restored", _("Backup restored")
    ERASURE_REQUESTED = "erasure.requested", _("Erasure requested")
    ERASURE_CONFIRMED = "erasure.confirmed", _("Erasure confirmed")
    ERASURE_DECLINED = "erasure.declined", _("Erasure declined")
    RECORDS_ERASED = "records.erased", _("Records and details of entries erased")
    FILES_ERASED = "files.erased", _("Files erased for good")
    CERTIFICATE_OPENED = "erasure.certificate", _("Certificate of erasure opened")
    REPORT_OPENED = "report.opened", _("Report opened")
    BATCH_EXPORTED = "batch.exported", _("Results of a batch exported")
    RESEARCH_REQUESTED = "research.requested", _("Research export requested")
    RESEARCH_FAILED = "research.failed", _("Research export failed")
    RESEARCH_DOWNLOADED = "research.downloaded", _("Research export downloaded")
    RESEARCH_REMOVED = "research.removed", _("Research export removed")
    STUDY_EXPORTED = "study.exported", _("Study included in a research export")
    NOTIFICATION_MAILED = "notification.mailed", _("Notification sent by e-mail")
    NOTIFICATIONS_CHOSEN = "notification.chosen", _("Notification settings changed")
    JOB_QUEUED = "job.queued", _("Inference queued")
    JOB_FINISHED = "job.finished", _("Inference finished")
    JOB_RETURNED = "job.returned", _("Inference returned to the queue")
    JOB_QUARANTINED = "job.quarantined", _("Inference quarantined")
    JOB_RELEASED = "job.released", _("Inference released from quarantine")
    JOB_CANCELLED = "job.cancelled", _("Inference cancelled")
    NODE_CREATED = "node.created", _("DICOM node added")
    NODE_CHANGED = "node.changed", _("DICOM node changed")
    NODE_TESTED = "node.tested", _("DICOM node tested")
    STORAGE_COMMITTED = "node.storage_committed", _("Storage commitment reported")
    COMMITMENT_RETRIED = "node.commitment_retried", _("Storage commitment to be reported again")
    PRIORS_ASKED = "priors.asked", _("Device queried for prior studies")
    PRIOR_FETCHED = "priors.fetched", _("Prior study fetched from a device")
    PRIORS_RETRIED = "priors.retried", _("Device to be queried again for prior studies")
    RECEIVED_RETRIED = "received.retried", _("Received instance tried again")
    RECEIVED_ADOPTED = "received.adopted", _("Files without a record imported")
    RECEIVED_DISCARDED = "received.discarded", _("Received instance discarded")
    ORDER_SOURCE_CREATED = "order_source.created", _("Sender of orders added")
    ORDER_SOURCE_CHANGED = "order_source.changed", _("Sender of orders changed")
    ORDER_RECEIVED = "order.received", _("Order received")
    ORDER_CHANGED = "order.changed", _("Order changed by its sender")
    ORDER_CANCELLED = "order.cancelled", _("Order cancelled by its sender")
    ORDER_LINKED = "order.linked", _("Order linked to a study")
    ORDER_UNLINKED = "order.unlinked", _("Order unlinked from a study")
    DESTINATION_CREATED = "destination.created", _("Destination added")
    DESTINATION_CHANGED = "destination.changed", _("Destination changed")
    DESTINATION_REMOVED = "destination.removed", _("Destination removed")
    DESTINATION_TESTED = "destination.tested", _("Destination tested")
    DELIVERY_SENT = "delivery.sent", _("Document sent to a destination")
    DELIVERY_CONFIRMED = "delivery.confirmed", _("Document confirmed by a destination")
    DELIVERY_REJECTED = "delivery.rejected", _("Document rejected by a destination")
    DELIVERY_RETRIED = "delivery.retried", _("Document to be sent again")
    DELIVERY_CANCELLED = "delivery.cancelled", _("Delivery cancelled")
    MODEL_REGISTERED = "model.registered", _("Model version registered")
    MODEL_ACTIVATED = "model.activated", _("Model version activated")
    SHADOW_STARTED = "shadow.started", _("Shadow trial of a model version started")
    SHADOW_ENDED = "shadow.ended", _("Shadow trial of a model version ended")
    WORKER_DRAINED = "worker.drained", _("Worker told to drain")
    WORKER_STOPPED = "worker.stopped", _("Worker told to stop")
    WORKER_RESUMED = "worker.resumed", _("Worker told to resume")
    QUEUE_PAUSED = "queue.paused", _("Queue paused")
    QUEUE_RESUMED = "queue.resumed", _("Queue resumed")
    READ_SAVED = "read.saved", _("Read saved as a draft")
    READ_SIGNED = "read.signed", _("Read signed")
    READ_AMENDED = "read.amended", _("Read amended")
    SIGNATURE_TAKEN_BACK = "read.taken_back", _("Signature taken back")
    SIGNATURE_FAILED = "read.signature_failed", _("Signature failed")
    ADDENDUM_SIGNED = "addendum.signed", _("Addendum signed")
    STUDY_RESERVED = "study.reserved", _("Study reserved for reading")
    RESERVATION_ENDED = "study.reservation_ended", _("Reservation released")
    TEMPLATE_SAVED = "template.saved", _("Text template saved")
    TEMPLATE_REMOVED = "template.removed", _("Text template removed")
    SIGNING_PIN_SET = "user.signing_pin_set", _("Signing PIN set")
    SESSION_LOCKED = "user.session_locked", _("Session locked")
    SESSION_UNLOCKED = "user.session_unlocked", _("Session unlocked")
    UNLOCK_FAILED = "user.unlock_failed", _("Unlocking failed")
    AUDIT_VIEWED = "audit.viewed", _("Audit trail viewed")
    AUDIT_EXPORTED = "audit.exported", _("Audit trail exported")
    ACCESS_VIEWED = "access.viewed", _("Access log viewed")
    ACCESS_EXPORTED = "access.exported", _("Access log exported")
    ACCESS_SEALED = "access.sealed", _("Day of the access log sealed")
    ACCESS_REMOVED = "access.removed", _("Old entries of the access log removed")
    AUDIT_VERIFIED = "audit.verified", _("Audit trail verified")
    AUDIT_KEY_CHANGED = "audit.key_changed", _("Key of the audit trail changed")
    AUDIT_ENTRY_SET_ASIDE = "audit.entry_set_aside", _("Entry left out of the export of the trail")
    AUDIT_ENTRY_SENT_AGAIN = "audit.entry_sent_again", _("Left-out entry to be sent again")
    AUDIT_ENTRY_GIVEN_UP = "audit.entry_given_up", _("Entry left out for good")
    ANCHORS_BEGUN = "audit.anchors_begun", _("New series of audit trail anchors started")


def actions() -> list[tuple[str, Any]]:
    """The choices of an entry's action; migrations refer to it, so they survive changes."""
    return Action.choices


class AuditEntry(models.Model):
    """One event. PostgreSQL triggers refuse UPDATE, DELETE and TRUNCATE.

    The one exception is that the details are blanked by an erasure; see webportal.audit.erasure.

    The actor is written as text, with no foreign key, so that an entry never depends on a row
    that may change. `mac` is the HMAC-SHA-256 of `previous_mac` and the canonical content.
    """

    sequence = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=40, choices=actions)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    study_id = models.UUIDField(null=True)
    detail = models.JSONField(default=dict)
    origin = models.JSONField(
        null=True,
        help_text="Address, device, session and token of the request; empty outside of one.",
    )
    previous_mac = models.CharField(max_length=64)
    mac = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-sequence"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["study_id", "sequence"], name="audit_study"),
            models.Index(fields=["actor", "sequence"], name="audit_actor_name"),
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["action", "sequence"], name="audit_action"),
            models.Index(fields=["object_id", "sequence"], name="audit_object"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sequence__gte=1), name="audit_sequence_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"


class ChainHead(models.Model):
    """The end of the chain: one row, locked by every append so that entries follow one another."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sequence = models.BigIntegerField(default=0)
    mac = models.CharField(max_length=64, default="0" * 64)
    key_id = models.CharField(
        max_length=16,
        blank=True,
        db_default="",
        default="",
        help_text="The key that the chain goes on with; empty before an entry of this release.",
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_chain_head")]

    def __str__(self) -> str:
        return f"head {self.sequence}"


class AnchorState(models.Model):
    """The last anchor written: one row, sealed by webportal.audit.anchors only."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)
    signature = models.CharField(max_length=32, blank=True)
    seal = models.CharField(max_length=32, blank=True)
    at = models.DateTimeField(null=True)
    unwritten = models.CharField(
        max_length=200, blank=True, help_text="The settings of places that could not be written."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_anchor_state")]

    def __str__(self) -> str:
        return f"anchor {self.number}"


class Verification(models.Model):
    """One verification: requested, run outside of any request, with its outcome.

    Written by webportal.audit.runs alone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requested_at = models.DateTimeField()
    requested_by_id = models.UUIDField(null=True)
    requested_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True, help_text="When it last said how far it had come.")
    finished_at = models.DateTimeField(null=True)
    done = models.BigIntegerField(default=0, help_text="Entries, then records, so far.")
    total = models.BigIntegerField(default=0, help_text="Entries and records in all.")
    entries = models.BigIntegerField(default=0)
    anchors = models.BigIntegerField(default=0)
    findings = models.JSONField(default=list)
    remarks = models.JSONField(default=list)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            # Two at once would only slow each other down.
            models.UniqueConstraint(
                fields=["finished_at"],
                condition=models.Q(finished_at=None),
                nulls_distinct=False,
                name="one_open_verification",
            ),
        ]

    def __str__(self) -> str:
        return f"verification of {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def state(self) -> str:
        """One of `waiting`, `running` and `done`."""
        if self.finished_at is not None:
            return "done"
        return "waiting" if self.started_at is None else "running"

    @property
    def percent(self) -> int:
        """The progress."""
        return 100 * self.done // self.total if self.total else 0

    @property
    def verdict(self) -> TrailVerdict | None:
        """The outcome, once it is done."""
        if self.finished_at is None:
            return None
        findings = [Finding.from_json(each) for each in self.findings]
        remarks = [Finding.from_json(each) for each in self.remarks]
        return TrailVerdict(self.entries, self.anchors, findings, remarks)
