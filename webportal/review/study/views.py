"""Views of the study page and the reader's read."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.access.shown import show
from webportal.accounts.departments import departments_of
from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.models import Study
from webportal.review.models import Read, ReadKind
from webportal.review.preferences import results_are_open
from webportal.review.reads import addenda, authentication, queries, reservation, services
from webportal.review.reads.blinding import hides_result
from webportal.review.reads.second_reading import due_read, has_signed, may_make
from webportal.review.reads.signed_identity import identity_change, parse_identity
from webportal.review.study import take_back_views
from webportal.review.study.context import study_context
from webportal.review.study.forms import AddendumForm, ReadForm
from webportal.review.study.passkey_views import secret_shown
from webportal.review.study.progress import HIDDEN, NOTHING, progress_of


def _study(request: SignedInRequest, study_id: uuid.UUID) -> Study:
    return get_object_or_404(
        Study.objects.visible_to(request.user).select_related("patient"), pk=study_id
    )


@allow(Role.RADIOLOGIST)
@require_GET
def study(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """A study: its images, the model's result and the read."""
    study = _study(request, study_id)
    append(Event(Action.STUDY_VIEWED, "study", study.pk, study.pk), request.user)
    return _study_page(request, study, amends="amend" in request.GET)


def _study_page(
    request: SignedInRequest,
    study: Study,
    form: ReadForm | None = None,
    addendum_form: AddendumForm | None = None,
    status: int = 200,
    *,
    amends: bool = False,
) -> HttpResponse:
    context = study_context(
        study,
        request.user,
        form,
        addendum_form,
        amends=amends or (form is not None and bool(form.data.get("amends"))),
        pin_is_open=authentication.pin_is_open(request.session),
        results_are_open=results_are_open(request),
    )
    context |= take_back_views.offered_for(context["own"])
    show(request, study, *(entry.study for entry in context["timeline"]))
    return render(request, "review/study/study.html", context, status=status)


@allow(Role.RADIOLOGIST)
@require_POST
def next_study(request: SignedInRequest) -> HttpResponse:
    """Reserve the study to read next and open it; `after` is one that is left unread."""
    after = request.POST.get("after", "")
    visible = Study.objects.visible_to(request.user)
    left = visible.filter(pk=after).first() if _is_uuid(after) else None
    return _open_next(request, left)


def _open_next(request: SignedInRequest, left: Study | None) -> HttpResponse:
    taken = reservation.reserve_next(request.user, left)
    if taken is None:
        # The worklist says more to those who belong to no department.
        if departments_of(request.user).exists():
            messages.success(request, _("There is nothing left for you to read."))
        return redirect("review:worklist")
    assigned = taken.assigned_reader
    # Not of one who has signed the first read, or has left off.
    is_begun = Read.objects.filter(study=taken, reader=assigned).exists()
    if assigned not in (None, request.user) and not is_begun:
        messages.info(
            request,
            _("This study is assigned to {reader}, who has not begun to read it.").format(
                reader=assigned
            ),
        )
    return redirect("review:study", taken.pk)


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def status(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """News for an open study page: a changed identity, result, reader or signature.

    The page posts the identity that it shows, because URLs must not contain patient data.
    """
    study = _study(request, study_id)
    leading = queries.result_for(study, request.user)
    counting = queries.signed_read(study)
    counted = request.GET.get("counts", "")
    is_hidden = hides_result(request.user, study)
    due = due_read(study)
    was_due = request.GET.get("due", due)
    seen = parse_identity(request.POST.get("identity", ""))
    change = identity_change(seen, study.patient) if seen else None
    if change is not None:
        show(request, study)
    context = {
        "study": study,
        "identity_change": change,
        "progress": HIDDEN if is_hidden else progress_of([study.pk]).get(study.pk, NOTHING),
        "reservation": reservation.reservation_of(study),
        "may_reserve": may_make(due, request.user, has_signed=has_signed(study, request.user)),
        "signed_meanwhile": counting if was_due and not due else None,
        "goes_on": bool(due) and due != was_due,
        "is_taken_back": due == ReadKind.FIRST and due != was_due,
        "is_amended": bool(counted) and (counting is None or str(counting.pk) != counted),
        "has_news": str(leading.pk if leading else "") != request.GET.get("seen", ""),
        "has_more_images": _exceeds(study.radiographs.count(), request.GET.get("images", "")),
        "has_more_studies": _exceeds(
            study.patient.studies.visible_to(request.user).count(), request.GET.get("studies", "")
        ),
    }
    return render(request, "review/study/status.html", context)


def _exceeds(number: int, shown: str) -> bool:
    """Whether there are more of something than a page shows; False if it does not say."""
    return shown.isdecimal() and number > int(shown)


@allow(Role.RADIOLOGIST)
@require_POST
def reserve(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Reserve a study, unless somebody else is reading it."""
    study = _study(request, study_id)
    present = reservation.reserve(study, request.user)
    if present.reader_id != request.user.pk:
        text = _("{reader} is already reading this study.").format(reader=present.reader)
        messages.warning(request, text)
    return redirect("review:study", study.pk)


@allow(Role.RADIOLOGIST)
@require_POST
def renew(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Renew the reservation while the page is open; polled by htmx."""
    reservation.renew(_study(request, study_id), request.user)
    return HttpResponse(status=204)


@allow(Role.RADIOLOGIST)
@require_POST
def give_back(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Release one's reservation of a study."""
    reservation.give_back(_study(request, study_id), request.user)
    messages.success(request, _("The study is free for others again."))
    return redirect("review:worklist")


@allow(Role.RADIOLOGIST)
@require_POST
def save_draft(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Save the reader's input as a draft; called by htmx while they type."""
    study = _study(request, study_id)
    form = ReadForm(request.POST)
    error, is_conflict = "", False
    if not _is_same_reader(request):
        error = _text_on_another_reader(request)
    elif not form.is_valid():
        error = _("Not saved: the text is too long, or a value is unknown.")
    else:
        try:
            draft = services.save_draft(study, request.user, form.entry())
        except services.ReadingError as refused:
            is_conflict = refused.code == "draft_changed"
            error = str(refused) if is_conflict else _("Not saved: {reason}").format(reason=refused)
        else:
            # Writing a draft reserves the study, unless another has already reserved it.
            if draft.signed_at is None and due_read(study):
                reservation.reserve(study, request.user)
    if "HX-Request" in request.headers:
        context = {"error": error, "saved_at": timezone.now(), "study": study}
        context["signed"] = None if due_read(study) else queries.signed_read(study)
        context["is_conflict"] = is_conflict
        response = render(request, "review/study/draft_state.html", context)
        response.headers["X-Saved"] = "conflict" if is_conflict else "no" if error else "yes"
        own = queries.own_draft(study, request.user)
        response.headers["X-Draft-Version"] = services.draft_version(own)
        return response
    if error:
        messages.error(request, error)
    else:
        messages.success(request, _("The draft is saved."))
    return redirect(_page_of(study, form))


def _page_of(study: Study, form: ReadForm) -> str:
    """The URL of the page that a form was on."""
    amends = {"amend": "1"} if form.data.get("amends") else {}
    return reverse("review:study", args=[study.pk], query=amends)


@allow(Role.RADIOLOGIST)
@require_POST
def discard_draft(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Discard the reader's own draft."""
    study = _study(request, study_id)
    services.discard_draft(study, request.user)
    messages.success(request, _("Your draft is discarded."))
    return redirect("review:study", study.pk)


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def sign(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Sign the read and, if requested, open the next study.

    A refusal shows the page again with all input.
    """
    study = _study(request, study_id)
    # Reached after signing in first, or by visiting the URL again.
    if request.method == "GET":
        return redirect("review:study", study.pk)
    if not _is_same_reader(request):
        messages.error(request, _text_on_another_reader(request))
        return redirect("review:study", study.pk)
    form = ReadForm(request.POST)
    if form.is_valid():
        try:
            signed = services.sign(
                study,
                request.user,
                form.entry(),
                secret_shown(request, study, form.cleaned_data["password"]),
                pin_is_open=authentication.pin_is_open(request.session),
            )
        except services.ReadingError as error:
            _refuse(request, form, "password", error)
        else:
            authentication.continue_series(request.session)
            take_back_views.offer(request.session, signed)
            if request.POST.get("then") == "next":
                messages.success(request, _signed_with_way_back(study))
                return _open_next(request, None)
            is_amended = signed.amends_id is not None
            words = _("The amendment is signed.") if is_amended else _("The read is signed.")
            messages.success(request, words)
            return redirect("review:study", study.pk)
    return _study_page(request, _study(request, study_id), form, status=422)


def _signed_with_way_back(signed: Study) -> str:
    """Confirm the signature on the next study; no patient name, as a cookie would keep it."""
    return format_html(
        '{} <a href="{}">{}</a>',
        _("The read is signed."),
        reverse("review:study", args=[signed.pk]),
        _("Show it"),
    )


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def add_addendum(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Sign an addendum to the study's signed read, or to one's own while others still read it."""
    study = _study(request, study_id)
    if request.method == "GET":
        return redirect("review:study", study.pk)
    read = queries.signed_read(study) or queries.own_signed_read(study, request.user)
    form = AddendumForm(request.POST)
    if not _is_same_reader(request):
        form.add_error(None, _text_on_another_reader(request))
    if read is None:
        messages.error(request, _("Nothing is signed yet: change the draft instead."))
        return redirect("review:study", study.pk)
    if form.is_valid():
        values = form.cleaned_data
        try:
            addenda.refuse_unseen(read, values["read"])
            addenda.add_addendum(
                read,
                request.user,
                values["reason"],
                values["text"],
                secret_shown(request, study, values["addendum_password"]),
                images=values["images"] or 0,
                identity=form.acknowledged_identity(),
                despite_unseen=values["despite_unseen"],
                pin_is_open=authentication.pin_is_open(request.session),
            )
        except services.ReadingError as error:
            _refuse(request, form, "addendum_password", error)
        else:
            authentication.continue_series(request.session)
            messages.success(request, _("The addendum is signed."))
            return redirect("review:study", study.pk)
    return _study_page(request, study, addendum_form=form, status=422)


def _is_same_reader(request: SignedInRequest) -> bool:
    """Whether the form's page was opened by the user who is signed in now."""
    return request.POST.get("reader", "") in ("", str(request.user.pk))


def _text_on_another_reader(request: SignedInRequest) -> str:
    return _(
        "Not saved: {reader} has signed in since this page was opened. Sign in under your own"
        " name in another tab to continue."
    ).format(reader=request.user)


def _refuse(
    request: SignedInRequest,
    form: ReadForm | AddendumForm,
    password_field: str,
    error: services.ReadingError,
) -> None:
    """Add a refusal to the submitted form."""
    is_wrong = error.code == "wrong_password"
    is_about_password = is_wrong or error.code == "directory_unreachable"
    form.add_error(password_field if is_about_password else None, error.message)
    # The sign button stays reachable wherever the page is scrolled.
    form.fields[password_field].widget.attrs["autofocus"] = is_about_password
    if is_wrong:
        authentication.end_series(request.session)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
