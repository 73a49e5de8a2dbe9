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

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.auditexport import health as audit_export
from webportal.backups import health as backups
from webportal.inference import registry
from webportal.inference.health import (
    SHOWN_JOBS,
    failures_of_the_last_day,
    failures_to_decide,
    lines,
    queue_health,
    recent_workers,
)
from webportal.inference.history import work_since
from webportal.inference.models import Job, JobState, PeriodLength
from webportal.inference.pauses import pauses as queue_pauses
from webportal.inference.queue import awaiting_release
from webportal.notifications.alerts import current_alerts
from webportal.operations.health_views import broker_answers
from webportal.operations.plots import plots
from webportal.operations.worker_views import SPEED_OVER
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
    """Queue, workers and failures.

    An htmx request gets one of the parts in PARTS, which the page refreshes at intervals.
    """
    part = request.GET.get("part", "")
    if "HX-Request" in request.headers and part in PARTS:
        return render(request, f"operations/{part}.html", PARTS[part](request))
    context = {name: value for part in PARTS.values() for name, value in part(request).items()}
    return render(request, "operations/queue.html", context)


def _status(request: SignedInRequest) -> dict[str, Any]:
    """What is true now: alerts, queue and workers."""
    in_force = list(queue_pauses())
    work = work_since(timezone.now() - SPEED_OVER)
    return {
        "now": timezone.now(),
        "broker_answers": broker_answers(),
        "health": queue_health(),
        "lines": lines(),
        "queue_pauses": in_force,
        "is_all_paused": any(each.priority is None for each in in_force),
        "alerts": current_alerts(),
        "news": registry.news(),
        "workers": [(each, work.get(each.name)) for each in recent_workers()],
    }


def _plots(request: SignedInRequest) -> dict[str, Any]:
    """What happened in the last day or month."""
    is_month = request.GET.get("span") == "month"
    return {
        "span": "month" if is_month else "day",
        "as_tables": request.GET.get("as") == "tables",
        "plots": plots(PeriodLength.DAY if is_month else PeriodLength.HOUR),
    }


def _jobs(request: SignedInRequest) -> dict[str, Any]:
    """Single jobs that fail, run or wait."""
    queued = Job.objects.filter(state=JobState.QUEUED).order_by("priority", "queued_at", "id")
    running = Job.objects.filter(state=JobState.RUNNING).order_by("worker", "started_at", "id")
    quarantined = awaiting_release().order_by("-finished_at")
    return {
        "now": timezone.now(),
        "health": queue_health(),
        "failures": failures_of_the_last_day(),
        "repeated": failures_to_decide(),
        "queued": queued[:SHOWN_JOBS],
        "running": running[:SHOWN_JOBS],
        "quarantined": quarantined[:SHOWN_JOBS],
        "shown_jobs": SHOWN_JOBS,
    }


def _upkeep(request: SignedInRequest) -> dict[str, Any]:
    """Stored files, backups and the export of the audit trail."""
    backup = backups.latest()
    return {
        "pauses": pauses.open_pauses(),
        "faults": open_faults()[:SHOWN_JOBS],
        "all_faults": open_faults().count(),
        "check": StorageCheck.objects.first(),
        "complete_check": StorageCheck.objects.exclude(finished_at=None).first(),
        "audit_exports": audit_export.states(),
        "backs_up": backups.is_configured(),
        "backup": backup,
        "backup_failure": backups.why(backup) if backup else "",
        "complete_backup": backups.latest_complete(),
        "verified_backup": backups.last_verified(),
        "shown_jobs": SHOWN_JOBS,
    }


PARTS: dict[str, Callable[[SignedInRequest], dict[str, Any]]] = {
    "status": _status,
    "plots": _plots,
    "jobs": _jobs,
    "upkeep": _upkeep,
}


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
