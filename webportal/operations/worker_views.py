"""One worker: what it is doing; draining, resuming and stopping it."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference import fleet
from webportal.inference.fleet import workers_with_states
from webportal.inference.health import SHOWN_JOBS
from webportal.inference.history import work_since
from webportal.inference.models import Job, JobState, Worker
from webportal.operations.plots import load_of

#: The speed shown for a worker is that of the last minutes.
SPEED_OVER = timedelta(minutes=5)


@allow(Role.IT)
@require_safe
def worker(request: SignedInRequest, name: str) -> HttpResponse:
    """One worker, with its load and the end of its log; an htmx request gets what changes."""
    worker = get_object_or_404(workers_with_states(), pk=name)
    running = Job.objects.filter(state=JobState.RUNNING, worker=name)
    context = {
        "worker": worker,
        "now": timezone.now(),
        "work": work_since(timezone.now() - SPEED_OVER).get(name),
        "running": running.order_by("started_at", "id")[:SHOWN_JOBS],
        "plot": load_of(name),
    }
    is_part = "HX-Request" in request.headers
    template = "operations/worker_status.html" if is_part else "operations/worker.html"
    return render(request, template, context)


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
def stop(request: SignedInRequest, name: str) -> HttpResponse:
    """Tell a worker to finish its current jobs and end."""
    try:
        fleet.stop(get_object_or_404(Worker, pk=name), request.user)
    except fleet.NotRunningError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            _(
                "{name} finishes its current batch and ends. If it is started again, it takes no"
                " jobs until you resume it."
            ).format(name=name),
        )
    return redirect("operations:worker", name)
