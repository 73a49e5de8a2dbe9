"""Pausing the queue, and changing its jobs."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference import bulk, pauses
from webportal.inference.models import Job
from webportal.inference.queue import QueueError, cancel, release_from_quarantine
from webportal.operations.forms import BulkJobsForm, PauseForm


@allow(Role.IT)
@require_POST
def pause(request: SignedInRequest) -> HttpResponse:
    """Let workers take no more jobs of one priority, or none at all."""
    form = PauseForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("There is no such priority."))
    elif pauses.pause(form.priority, request.user):
        messages.success(
            request,
            _("Paused. Workers finish what they have begun and take no more until you resume."),
        )
    else:
        messages.info(request, _("Somebody else has paused it already."))
    return redirect("operations:queue")


@allow(Role.IT)
@require_POST
def resume(request: SignedInRequest) -> HttpResponse:
    """Let workers take jobs of one priority again, or of all that are not paused separately."""
    form = PauseForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("There is no such priority."))
    elif pauses.resume(form.priority, request.user):
        messages.success(request, _("Resumed."))
    else:
        messages.info(request, _("Somebody else has resumed it already."))
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


@allow(Role.IT)
@require_http_methods(["GET", "HEAD", "POST"])
def change_all(request: SignedInRequest) -> HttpResponse:
    """Change all jobs that failed for the same reason, after showing how many they are."""
    form = BulkJobsForm(request.POST if request.method == "POST" else request.GET)
    if not form.is_valid():
        messages.error(request, _("Choose a reason on this page."))
        return redirect("operations:queue")
    change, reason = bulk.BulkChange(form.cleaned_data["change"]), form.cleaned_data["reason"]
    if request.method != "POST":
        jobs = bulk.jobs_for(change, reason)
        context = {"change": change, "count": jobs.count(), "most": bulk.MOST, "job": jobs.first()}
        return render(request, "operations/bulk.html", context)
    outcome = bulk.apply(change, reason, request.user)
    done = ngettext(
        "{count} image was changed.", "{count} images were changed.", outcome.changed
    ).format(count=intcomma(outcome.changed))
    left = ngettext(
        "{count} with this reason is left.", "{count} with this reason are left.", outcome.left
    ).format(count=intcomma(outcome.left))
    messages.success(request, f"{done} {left}" if outcome.left else done)
    return redirect("operations:queue")


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
