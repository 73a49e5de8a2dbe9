"""The pages of hospital IT."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.auditexport import health as audit_export
from webportal.backups import health as backups
from webportal.inference import fleet, registry
from webportal.inference.health import (
    SHOWN_JOBS,
    failures_of_the_last_day,
    queue_health,
    recent_workers,
)
from webportal.inference.models import Job, JobState, Worker
from webportal.inference.queue import QueueError, awaiting_release, cancel, release_from_quarantine
from webportal.notifications.alerts import current_alerts
from webportal.operations.health_views import broker_answers
from webportal.records.file_faults import open_faults
from webportal.records.files import AWAY
from webportal.records.models import FileFault
from webportal.storage import StorageAwayError
from webportal.upkeep import pauses
from webportal.upkeep.checking import check_again
from webportal.upkeep.models import RemovalPause, StorageCheck


@allow(Role.IT)
@require_safe
def queue(request: SignedInRequest) -> HttpResponse:
    """Queue, workers and failures; the part that changes is refreshed every few seconds.

    An htmx request gets only that part.
    """
    template = (
        "operations/status.html" if "HX-Request" in request.headers else "operations/queue.html"
    )
    return render(request, template, _status())


def _status() -> dict[str, Any]:
    backup = backups.latest()
    queued = Job.objects.filter(state=JobState.QUEUED).order_by("priority", "queued_at", "id")
    running = Job.objects.filter(state=JobState.RUNNING).order_by("worker", "started_at", "id")
    quarantined = awaiting_release().order_by("-finished_at")
    return {
        "now": timezone.now(),
        "broker_answers": broker_answers(),
        "health": queue_health(),
        "alerts": current_alerts(),
        "news": registry.news(),
        "workers": recent_workers(),
        "failures": failures_of_the_last_day(),
        "queued": queued[:SHOWN_JOBS],
        "running": running[:SHOWN_JOBS],
        "quarantined": quarantined[:SHOWN_JOBS],
        "pauses": pauses.open_pauses(),
        "faults": open_faults()[:SHOWN_JOBS],
        "all_faults": open_faults().count(),
        "check": StorageCheck.objects.first(),
        "complete_check": StorageCheck.objects.exclude(finished_at=None).first(),
        "audit_export": audit_export.state(),
        "backs_up": backups.is_configured(),
        "backup": backup,
        "backup_failure": backups.why(backup) if backup else "",
        "complete_backup": backups.latest_complete(),
        "verified_backup": backups.last_verified(),
        "shown_jobs": SHOWN_JOBS,
    }


@allow(Role.IT)
@require_POST
def drain(request: SignedInRequest, name: str) -> HttpResponse:
    """Tell a worker to finish its current jobs and take no more."""
    fleet.drain(get_object_or_404(Worker, pk=name), request.user)
    messages.success(
        request, _("{name} finishes its current batch and takes no more jobs.").format(name=name)
    )
    return redirect("operations:queue")


@allow(Role.IT)
@require_POST
def resume(request: SignedInRequest, name: str) -> HttpResponse:
    """Let a drained worker take jobs again."""
    fleet.resume(get_object_or_404(Worker, pk=name), request.user)
    messages.success(request, _("{name} takes jobs again.").format(name=name))
    return redirect("operations:queue")


@allow(Role.IT)
@require_POST
def resume_removal(request: SignedInRequest, pause_id: uuid.UUID) -> HttpResponse:
    """Let the scheduler resume removing files that no record names."""
    if pauses.resume(get_object_or_404(RemovalPause, pk=pause_id), request.user):
        messages.success(request, _("Removal of unreferenced files has been resumed."))
    else:
        messages.info(request, _("Somebody else has resumed it already."))
    return redirect("operations:queue")


@allow(Role.IT)
@require_POST
def check_file(request: SignedInRequest, fault_id: uuid.UUID) -> HttpResponse:
    """Check once more a stored file that was missing or damaged."""
    fault = get_object_or_404(FileFault, pk=fault_id)
    try:
        is_intact = check_again(fault, request.user)
    except StorageAwayError:
        messages.error(request, AWAY)
    else:
        if is_intact:
            messages.success(request, _("The file is as it was received."))
        else:
            messages.error(request, _("The file is still missing or damaged."))
    return redirect("operations:queue")


@allow(Role.IT)
@require_POST
def release_job(request: SignedInRequest, job_id: uuid.UUID) -> HttpResponse:
    """Queue the image of a quarantined job again."""
    return _change_job(request, job_id, release_from_quarantine, _("The image is queued again."))


@allow(Role.IT)
@require_POST
def cancel_job(request: SignedInRequest, job_id: uuid.UUID) -> HttpResponse:
    """Take a job out of the queue."""
    return _change_job(request, job_id, cancel, _("The job is cancelled."))


def _change_job(
    request: SignedInRequest,
    job_id: uuid.UUID,
    change: Callable[[Job, User], Job],
    success: str,
) -> HttpResponse:
    job = get_object_or_404(Job, pk=job_id)
    try:
        change(job, request.user)
    except QueueError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, success)
    return redirect("operations:queue")
