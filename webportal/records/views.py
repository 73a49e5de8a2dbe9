"""Patients: the list, one patient's whole history, and corrections."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.access.shown import show
from webportal.accounts.models import Role, User
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records import searches, services
from webportal.records.forms import CorrectionForm, PatientForm, form_values
from webportal.records.models import NEWEST_FIRST, Patient, Radiograph
from webportal.records.visibility import (
    count_studies,
    has_departments,
    of_patient,
    scope_of,
    sees_all_of,
)

PATIENTS_PER_PAGE = 50


@allow(*UPLOADERS)
@require_GET
def patients(request: SignedInRequest) -> HttpResponse:
    """The patients by name, or the matches of a search."""
    text = searches.recall(request, request.GET.get("search", ""))
    found = (
        searches.find_patients(text, request.user)
        .order_by("name", "patient_id", "issuer")
        .annotate(
            study_count=count_studies(request.user),
            last_study_at=Max("studies__created_at", filter=of_patient(request.user)),
        )
        .annotate(file_name=Subquery(_first_file(request.user)))
    )
    if request.GET.get("temporary"):
        found = found.filter(is_temporary=True)
    page = Paginator(found, PATIENTS_PER_PAGE).get_page(request.GET.get("page"))
    show(request, patient_ids=[each.pk for each in page], text=text)
    context = {
        "page": page,
        "search_text": text,
        "only_temporary": bool(request.GET.get("temporary")),
        "offers_emergency": request.user.has_role(Role.RADIOLOGIST)
        and scope_of(request.user).departments is not None,
    }
    return render(request, "records/patients.html", context)


@allow(*UPLOADERS)
@require_POST
def search(request: SignedInRequest) -> HttpResponse:
    """Store the search text and show the matches."""
    key = searches.remember(request, request.POST.get("text", ""))
    query = {"search": key} if key else {}
    return redirect(reverse("records:patients", query=query))


@allow(*UPLOADERS)
@require_GET
def patient(request: SignedInRequest, patient_id: uuid.UUID) -> HttpResponse:
    """A patient's history, newest first; results, reads and addenda for radiologists alone."""
    patient = get_object_or_404(Patient.objects.visible_to(request.user), pk=patient_id)
    studies = (
        patient.studies.visible_to(request.user)
        .order_by(*NEWEST_FIRST)
        .prefetch_related(
            "radiographs__predictions__model_version",
            "radiographs__jobs",
            "reads__reader",
            "reads__prediction__model_version",
            "reads__addenda__author",
            "second_reading",
            "identity_corrections__corrected_by",
        )
    )
    append(Event(Action.PATIENT_VIEWED, "patient", patient.pk), request.user)
    show(request, *studies, patient_ids=[patient.pk])
    context = {
        "patient": patient,
        "studies": studies,
        "lists_own_departments_only": not sees_all_of(request.user, patient.pk),
    }
    return render(request, "records/patient.html", context)


@allow(*UPLOADERS)
@require_http_methods(["GET", "POST"])
def edit_patient(request: SignedInRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Correct or complete a patient's data; with a reason once a study is signed."""
    patient = get_object_or_404(Patient.objects.visible_to(request.user), pk=patient_id)
    signed = services.signed_among(patient.studies.all())
    own_signed = services.signed_among(patient.studies.visible_to(request.user))
    form_class = CorrectionForm if signed else PatientForm
    form = form_class(request.POST or None, initial=form_values(patient))
    if form.is_valid():
        reason = form.cleaned_data.get("reason", "")
        try:
            changed = services.change_patient(
                patient, _keep_name(patient, form), request.user, reason
            )
        except services.SignedIdentityError as error:
            form.add_error(None, str(error))
        except services.RecordError as error:
            form.add_error("patient_id", str(error))
        else:
            messages.success(
                request, _("The patient is changed.") if changed else _("Nothing changed.")
            )
            return redirect("records:patient", patient.pk)
    show(request, *own_signed, patient_ids=[patient.pk])
    context = {
        "patient": patient,
        "form": form,
        "signed_count": len(own_signed) or len(signed[:1]),
        "is_of_several_departments": has_departments(),
        "may_correct": services.may_correct(request.user),
    }
    return render(request, "records/edit_patient.html", context)


def _keep_name(patient: Patient, form: PatientForm) -> dict[str, object]:
    """The values entered; an unchanged name keeps the components that the form does not show."""
    values = form.values()
    if not {"family_name", "given_name"} & set(form.changed_data):
        values["name"] = patient.name
    return values


def _first_file(person: User) -> QuerySet[Radiograph, str]:
    """The name of a patient's first file, which distinguishes temporary identities."""
    images = Radiograph.objects.visible_to(person).filter(
        study__patient=OuterRef("pk"), study__patient__is_temporary=True
    )
    named = images.filter(upload_items__isnull=False).order_by("created_at", "id")
    return named.values_list("upload_items__file_name", flat=True)[:1]
