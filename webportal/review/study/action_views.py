"""Actions on a study besides reading it, and its case record."""

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.inference import queue
from webportal.inference.models import Job
from webportal.intake.pipeline.store import bring_to_worklist
from webportal.records.choices import Priority
from webportal.records.models import Radiograph, Study
from webportal.records.services import RecordError
from webportal.review.reads import corrections
from webportal.review.study.case_records import change_case_record
from webportal.review.study.forms import StudyCaseRecordForm


@allow(Role.RADIOLOGIST)
@require_POST
def rerun(request: SignedInRequest, radiograph_id: uuid.UUID) -> HttpResponse:
    """Run the model again."""
    radiograph = get_object_or_404(
        Radiograph.objects.visible_to(request.user).select_related("study"), pk=radiograph_id
    )
    return _change_job(
        request,
        radiograph.study_id,
        lambda: queue.rerun(radiograph, request.user),
        _("The image is in the queue again."),
    )


@allow(Role.RADIOLOGIST)
@require_POST
def rerun_study(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Re-run the images whose results are from a version other than the active one."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=study_id)
    return _change_job(
        request,
        study.pk,
        lambda: queue.rerun_outdated(study, request.user),
        _("The study is in the queue again, for the active model."),
    )


@allow(Role.RADIOLOGIST)
@require_POST
def cancel(request: SignedInRequest, job_id: uuid.UUID) -> HttpResponse:
    """Take an image out of the queue."""
    job = get_object_or_404(
        Job.objects.visible_to(request.user).select_related("radiograph"), pk=job_id
    )
    return _change_job(
        request,
        job.radiograph.study_id,
        lambda: queue.cancel(job, request.user),
        _("The analysis is cancelled."),
    )


@allow(Role.RADIOLOGIST)
@require_POST
def release(request: SignedInRequest, job_id: uuid.UUID) -> HttpResponse:
    """Queue a quarantined image again."""
    job = get_object_or_404(
        Job.objects.visible_to(request.user).select_related("radiograph__study"), pk=job_id
    )
    return _change_job(
        request,
        job.radiograph.study_id,
        lambda: queue.release_from_quarantine(job, request.user),
        _("The image is released and in the queue again."),
    )


@allow(Role.RADIOLOGIST)
@require_POST
def read_prior(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Put a prior on the worklist, and have it analysed."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=study_id)
    bring_to_worklist(study, request.user)
    messages.success(request, _("The study is on the worklist."))
    return redirect("review:study", study.pk)


def _change_job(
    request: SignedInRequest, study_id: uuid.UUID, change: Callable[[], object], done: str
) -> HttpResponse:
    """Change a job and show the message `done`, or why it was not possible."""
    try:
        change()
    except queue.QueueError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, done)
    return redirect("review:study", study_id)


@allow(Role.RADIOLOGIST)
@require_POST
def raise_priority(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Raise a study's priority for analysis and reading."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=study_id)
    wanted = {str(priority.value): priority for priority in Priority if priority < study.priority}
    priority = wanted.get(request.POST.get("priority", ""))
    if priority is None:
        messages.warning(request, _("The study already has this priority, or a higher one."))
        return redirect("review:study", study.pk)
    try:
        change_case_record(study, {"priority": priority.value}, request.user)
    except RecordError as error:
        messages.warning(request, str(error))
    else:
        messages.success(
            request, _("The study is now {priority}.").format(priority=priority.label.lower())
        )
    return redirect("review:study", study.pk)


@allow(*UPLOADERS)
@require_http_methods(["GET", "POST"])
def case_record(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Correct or complete a study's case record."""
    study = get_object_or_404(
        Study.objects.visible_to(request.user).select_related("patient"), pk=study_id
    )
    form = StudyCaseRecordForm(request.POST or None, instance=Study.objects.get(pk=study.pk))
    if form.is_valid():
        try:
            changed = change_case_record(study, form.cleaned_data, request.user)
        except RecordError as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request, _("The case record is changed.") if changed else _("Nothing changed.")
            )
            return back(request, study)
    show(request, study)
    return render(request, "review/study/case_record.html", {"study": study, "form": form})


def back(request: SignedInRequest, study: Study) -> HttpResponse:
    """Return to the study, or to its patient for users who may not open it."""
    if request.user.has_role(Role.RADIOLOGIST):
        return redirect("review:study", study.pk)
    return redirect("records:patient", Study.objects.get(pk=study.pk).patient_id)


@allow(Role.RADIOLOGIST)
@require_POST
def correction_seen(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Record that a reader has seen the correction of the identity they signed under."""
    study = get_object_or_404(Study.objects.visible_to(request.user), pk=study_id)
    if corrections.take_note(study, request.user):
        messages.success(request, _("Your acknowledgement of the correction has been recorded."))
    return redirect("review:study", study.pk)
