"""Assigning a study to a patient: search, comparison, and the move."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from webportal.access.shown import show
from webportal.accounts.models import User
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake.claimed_identity import Identity, differences, existing_patient
from webportal.records import searches
from webportal.records.forms import LONGEST_REASON, PatientForm, form_values
from webportal.records.identity import identity_version
from webportal.records.models import OWN_ISSUER, Patient, Study
from webportal.records.services import RecordError, may_correct, signed_among
from webportal.records.visibility import count_studies
from webportal.review.models import Reservation
from webportal.review.reads.reservation import reservation_of
from webportal.review.study.action_views import back
from webportal.review.study.case_records import (
    ALREADY_OF_PATIENT,
    assign_known_patient,
    assign_patient,
)
from webportal.review.study.persons import compare, format_identity_in_file, identities_in_files

MOST_FOUND = 20


class MoveForm(forms.Form):
    """Confirmation of a move: with a reason after a signature, and despite contradictions."""

    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=gettext_lazy("Reason for the correction"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy(
            "It is shown beside every read that was signed before, and in the audit trail."
        ),
    )
    checked = forms.BooleanField(
        label=gettext_lazy("I have checked this: the study does belong to the other patient"),
        error_messages={
            "required": gettext_lazy("Check what contradicts it, and confirm that you have.")
        },
    )

    def __init__(self, *args: Any, is_signed: bool, is_contradicted: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_signed:
            del self.fields["reason"]
        if not is_contradicted:
            del self.fields["checked"]


@allow(*UPLOADERS)
@require_http_methods(["GET", "POST"])
def study_patient(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """Assign the patient: complete a temporary identity, or move the study.

    A study is moved only after both patients were shown side by side.
    """
    study = get_object_or_404(
        Study.objects.visible_to(request.user).select_related("patient"), pk=study_id
    )
    show(request, study)
    if _is_signed(study) and not may_correct(request.user):
        status = 403 if request.method == "POST" else 200
        context = {"study": study, "is_refused": True}
        return render(request, "review/study/study_patient.html", context, status=status)
    step = request.POST.get("step", "")
    if step == "search":
        key = searches.remember(request, request.POST.get("text", "")[: searches.LONGEST])
        query = {"search": key} if key else {}
        return redirect(reverse("review:study-patient", args=[study.pk], query=query))
    to = request.POST.get("to") or request.GET.get("to")
    if to:
        return _known(
            request,
            study,
            get_object_or_404(Patient.objects.visible_to(request.user), pk=_uuid(to)),
        )
    if request.method == "POST":
        return _named(request, study, is_confirmed=step == "move")
    return _choice(request, study, PatientForm(initial=_known_identity(study)))


def _known(request: SignedInRequest, study: Study, other: Patient) -> HttpResponse:
    """Compare with a recorded patient; move the study once confirmed."""
    if other == study.patient:
        messages.warning(request, _("The study is recorded for this patient already."))
        return redirect("review:study-patient", study.pk)
    if request.method != "POST":
        append(Event(Action.PATIENT_VIEWED, "patient", other.pk), request.user)
        return _comparison(request, study, other)
    form = _move_form(request, study, other, request.POST)
    if not form.is_valid():
        return _comparison(request, study, other, form)
    fields = form.cleaned_data
    try:
        assign_known_patient(study, other, fields["shown"], request.user, fields.get("reason", ""))
    except RecordError as error:
        form.add_error(None, str(error))
        return _comparison(request, study, other, form)
    return _done(request, study, other)


def _named(request: SignedInRequest, study: Study, *, is_confirmed: bool) -> HttpResponse:
    """Handle a patient entered by hand: a recorded one, or a new one."""
    named = PatientForm(request.POST)
    if not named.is_valid():
        return _choice(request, study, named)
    identity = Identity(**named.values())
    known = existing_patient(identity)
    if known == study.patient:
        named.add_error("patient_id", str(ALREADY_OF_PATIENT))
        return _choice(request, study, named)
    is_same = known is not None and not differences(known, identity)
    if known is not None and is_same and _is_visible(known, request.user):
        return redirect(reverse("review:study-patient", args=[study.pk], query={"to": known.pk}))
    if not is_same and (known is not None or _is_completed_in_place(study)):
        try:
            return _done(request, study, assign_patient(study, identity, request.user))
        except RecordError as error:
            named.add_error(None, str(error))
            return _choice(request, study, named, known)
    # Identities are the whole hospital's: whoever knows one of another department may use it.
    other = known or Patient(**vars(identity))
    form = _move_form(request, study, other, request.POST) if is_confirmed else None
    if form is None or not form.is_valid():
        return _comparison(request, study, other, form, named)
    try:
        reason = form.cleaned_data.get("reason", "")
        patient = assign_patient(study, identity, request.user, reason)
    except RecordError as error:
        form.add_error(None, str(error))
        return _comparison(request, study, other, form, named)
    return _done(request, study, patient)


def _choice(
    request: SignedInRequest, study: Study, named: PatientForm, known: Patient | None = None
) -> HttpResponse:
    """The search, its matches, and the form for a new patient; `known` has the ID entered."""
    text = searches.recall(request, request.GET.get("search", ""))
    found: list[Patient] = []
    if text:
        matching = searches.find_patients(text, request.user).exclude(pk=study.patient_id)
        counted = matching.annotate(study_count=count_studies(request.user))
        found = list(counted.order_by("name", "patient_id", "pk")[: MOST_FOUND + 1])
    known_ids = [known.pk] if known else []
    show(request, patient_ids=[*(each.pk for each in found[:MOST_FOUND]), *known_ids], text=text)
    context = {
        "study": study,
        "form": named,
        "known": known,
        "files": [format_identity_in_file(each) for each in identities_in_files(study)],
        "is_signed": _is_signed(study),
        "reservation": _reservation_of_other(request, study),
        "search_text": text,
        "found": found[:MOST_FOUND],
        "finds_more": len(found) > MOST_FOUND,
    }
    return render(request, "review/study/study_patient.html", context)


def _comparison(
    request: SignedInRequest,
    study: Study,
    other: Patient,
    form: MoveForm | None = None,
    named: PatientForm | None = None,
) -> HttpResponse:
    """Both patients side by side; `named` is the form for one not yet recorded."""
    # One entered by hand may not be recorded yet.
    show(request, patient_ids=[] if other._state.adding else [other.pk])
    context = {
        "study": study,
        "other": other,
        "named": named,
        "comparison": compare(study, other, request.user),
        "form": form or _move_form(request, study, other),
        "is_signed": _is_signed(study),
        "reservation": _reservation_of_other(request, study),
    }
    return render(request, "review/study/study_patient_compare.html", context)


def _is_visible(patient: Patient, person: User) -> bool:
    return Patient.objects.visible_to(person).filter(pk=patient.pk).exists()


def _move_form(
    request: SignedInRequest, study: Study, other: Patient, data: Any = None
) -> MoveForm:
    return MoveForm(
        data,
        initial={"shown": identity_version(other)},
        is_signed=_is_signed(study),
        is_contradicted=bool(compare(study, other, request.user).contradictions),
    )


def _is_signed(study: Study) -> bool:
    return bool(signed_among(Study.objects.filter(pk=study.pk)))


def _is_completed_in_place(study: Study) -> bool:
    """Whether a new identity completes the temporary one, so that no study moves."""
    is_alone = study.patient.is_temporary and study.patient.studies.count() == 1
    return is_alone and not _is_signed(study)


def _reservation_of_other(request: SignedInRequest, study: Study) -> Reservation | None:
    present = reservation_of(study)
    return present if present and present.reader_id != request.user.pk else None


def _known_identity(study: Study) -> dict[str, object]:
    """Initial values of the form; a temporary Patient ID is left blank."""
    if not study.patient.is_temporary:
        return {}
    values = form_values(study.patient) | {"patient_id": ""}
    return values | ({"issuer": ""} if values["issuer"] == OWN_ISSUER else {})


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404 from None


def _done(request: SignedInRequest, study: Study, patient: Patient) -> HttpResponse:
    messages.success(request, _("The study is now recorded for {patient}.").format(patient=patient))
    return back(request, study)
