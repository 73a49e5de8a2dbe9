"""The study page and the reader's read."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.models import Study
from webportal.review import reading
from webportal.review.forms import AddendumForm, ReadForm
from webportal.review.progress import NOTHING, progress_of
from webportal.review.study_page import study_context


def _study(study_id: uuid.UUID) -> Study:
    return get_object_or_404(Study.objects.select_related("patient"), pk=study_id)


@allow(Role.RADIOLOGIST)
@never_cache
@require_GET
def study(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """A study: its images, the model's result and the read."""
    shown = _study(study_id)
    append(Event(Action.STUDY_VIEWED, "study", shown.pk, shown.pk), request.user)
    return render(request, "review/study.html", study_context(shown, request.user))


@allow(Role.RADIOLOGIST)
@require_GET
def status(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """What an open study page has to say of news: another result, or a signature."""
    shown = _study(study_id)
    leading = reading.leading_prediction(shown)
    context = {
        "study": shown,
        "progress": progress_of([shown.pk]).get(shown.pk, NOTHING),
        "signed_meanwhile": None if "signed" in request.GET else reading.signed_read(shown),
        "has_news": str(leading.pk if leading else "") != request.GET.get("seen", ""),
    }
    return render(request, "review/status.html", context)


@allow(Role.RADIOLOGIST)
@require_POST
def save_draft(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Keep what the reader has typed; htmx calls this while they type."""
    shown = _study(study_id)
    form = ReadForm(request.POST)
    error = ""
    if not form.is_valid():
        error = "Not saved: the text is too long, or a value is unknown."
    else:
        try:
            reading.save_draft(shown, request.user, form.entry())
        except reading.ReadingError as refused:
            error = f"Not saved: {refused}"
    if "HX-Request" in request.headers:
        context = {"error": error, "saved_at": timezone.now(), "signed": reading.signed_read(shown)}
        return render(request, "review/draft_state.html", context)
    if error:
        messages.error(request, error)
    else:
        messages.success(request, "The draft is saved.")
    return redirect("review:study", shown.pk)


@allow(Role.RADIOLOGIST)
@require_POST
def discard_draft(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Throw the reader's own draft away."""
    shown = _study(study_id)
    reading.discard_draft(shown, request.user)
    messages.success(request, "Your draft is discarded.")
    return redirect("review:study", shown.pk)


@allow(Role.RADIOLOGIST)
@require_POST
def sign(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Sign the read; a refusal shows the page again with everything that was typed."""
    shown = _study(study_id)
    form = ReadForm(request.POST)
    if form.is_valid():
        try:
            reading.sign(shown, request.user, form.entry(), form.cleaned_data["password"])
        except reading.ReadingError as error:
            form.add_error("password" if error.code == "wrong_password" else None, error.message)
            # The way to sign stays at hand, however far down the page it is.
            form.fields["password"].widget.attrs["autofocus"] = error.code == "wrong_password"
        else:
            messages.success(request, "The read is signed.")
            return redirect("review:study", shown.pk)
    shown.refresh_from_db()
    return render(
        request, "review/study.html", study_context(shown, request.user, form), status=422
    )


@allow(Role.RADIOLOGIST)
@require_POST
def add_addendum(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Sign an addendum to the study's signed read."""
    shown = _study(study_id)
    read = reading.signed_read(shown)
    form = AddendumForm(request.POST)
    if read is None:
        messages.error(request, "Nothing is signed yet: change the draft instead.")
        return redirect("review:study", shown.pk)
    if form.is_valid():
        values = form.cleaned_data
        try:
            reading.add_addendum(
                read,
                request.user,
                values["reason"],
                values["text"],
                values["addendum_password"],
                images=values["images"] or 0,
            )
        except reading.ReadingError as error:
            wrong_password = error.code == "wrong_password"
            form.add_error("addendum_password" if wrong_password else None, error.message)
        else:
            messages.success(request, "The addendum is signed.")
            return redirect("review:study", shown.pk)
    context = study_context(shown, request.user, addendum_form=form)
    return render(request, "review/study.html", context, status=422)
