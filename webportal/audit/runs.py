"""Verifications requested on a page or due by schedule, run in a separate process.

A page requests one; the scheduler starts `manage.py verify_audit --queued`, so that neither a
request nor the sweep of the queue waits for it; the page shows its progress.
"""

import logging
from datetime import timedelta
from time import monotonic
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone

from webportal.audit.findings import Finding
from webportal.audit.models import Action, AuditEntry, ChainHead, Verification
from webportal.audit.reconciliation import reconcile
from webportal.audit.trail import SYSTEM, Event, append
from webportal.audit.verification import Progress, verify
from webportal.background import Background

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
# A run without progress for this long has died.
SILENT = timedelta(minutes=5)
_TELL_SECONDS = 1.0
_process = Background()


def request(by: Any = None) -> Verification:
    """Request a verification, or return the one that is waiting or running."""
    try:
        with transaction.atomic():
            return Verification.objects.create(
                requested_at=timezone.now(),
                requested_by_id=getattr(by, "pk", None),
                requested_by=getattr(by, "username", SYSTEM),
            )
    except IntegrityError:
        return Verification.objects.get(finished_at=None)


def latest() -> Verification | None:
    """The verification requested last."""
    return Verification.objects.first()


def run_now(progress: Progress) -> Verification:
    """Verify immediately, even if another verification is running elsewhere."""
    now = timezone.now()
    return _run(Verification(requested_at=now, requested_by=SYSTEM, started_at=now), progress)


def run_queued() -> Verification | None:
    """Run the waiting verification; None if there is none."""
    now = timezone.now()
    waiting = Verification.objects.filter(finished_at=None, started_at=None)
    if not waiting.update(started_at=now, seen_at=now):
        return None
    verification = Verification.objects.get(finished_at=None)
    told_at = monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if monotonic() - told_at < _TELL_SECONDS:
            return
        told_at = monotonic()
        verification.done, verification.total = done, total
        verification.seen_at = timezone.now()
        verification.save(update_fields=["done", "total", "seen_at"])

    return _run(verification, tell)


def start_if_due() -> bool:
    """Start the waiting verification, or the daily one, in another process."""
    if _process.is_running() or not _is_due():
        return False
    _process.start("verify_audit", "--queued")
    return True


def _is_due() -> bool:
    now = timezone.now()
    unfinished = Verification.objects.filter(finished_at=None)
    died = unfinished.filter(seen_at__lt=now - SILENT)
    if died.update(started_at=None, seen_at=None):
        logger.warning("A verification of the audit trail ended before it was done; once more")
    if unfinished.exists():
        return unfinished.filter(started_at=None).exists()
    if Verification.objects.filter(finished_at__gt=now - EVERY).exists():
        return False
    # A new installation is first verified the next day.
    if not AuditEntry.objects.filter(at__lt=now - EVERY).exists():
        return False
    request()
    return True


def _run(verification: Verification, tell: Progress) -> Verification:
    verdict = verify(tell)
    read = verdict.entries
    # A forged trail proves nothing about the records.
    records = reconcile(lambda done, total: tell(read + done, read + total))
    findings = [*verdict.findings, *records]
    asked_by = verification.requested_by_id
    requester = asked_by and get_user_model().objects.filter(pk=asked_by).first()
    detail = {"intact": not findings, "findings": len(findings)}
    try:
        with transaction.atomic():
            append(Event(Action.AUDIT_VERIFIED, detail=detail), requester)
    except (IntegrityError, ChainHead.DoesNotExist):
        findings.append(Finding("no_append"))
    verification.finished_at = timezone.now()
    verification.entries, verification.anchors = verdict.entries, verdict.anchors
    verification.findings = [finding.as_json() for finding in findings]
    verification.remarks = [remark.as_json() for remark in verdict.remarks]
    verification.save()
    return verification
