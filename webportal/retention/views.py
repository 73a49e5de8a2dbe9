"""Hospital IT's page of due studies, and placing and lifting holds."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.records.models import Patient, Study
from webportal.retention import holds, rule
from webportal.retention.models import LegalHold

STUDIES_PER_PAGE = 100


@allow(Role.IT)
@require_safe
def retention(request: SignedInRequest) -> HttpResponse:
    """The rule, the due studies, and the holds: ids only, no patient data."""
    context = {
        "is_set": rule.is_set(),
        "years": settings.RETENTION_YEARS,
        "minors_until": settings.RETENTION_MINORS_UNTIL,
        "figures": rule.figures(),
        "page": Paginator(rule.due(), STUDIES_PER_PAGE).get_page(request.GET.get("page")),
        "holds": holds.open_holds().select_related("placed_by"),
    }
    return render(request, "retention/retention.html", context)


@allow(Role.IT)
@require_POST
def lift(request: SignedInRequest, hold_id: uuid.UUID) -> HttpResponse:
    """Lift a hold."""
    if holds.lift(get_object_or_404(LegalHold, pk=hold_id), request.user):
        messages.success(request, _("The hold has been lifted."))
    else:
        messages.info(request, _("Somebody else has lifted it already."))
    return redirect("retention:retention")


@allow(*UPLOADERS)
@require_POST
def place(request: SignedInRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Place a hold on a patient, or on one of their studies."""
    patient = get_object_or_404(Patient.objects.visible_to(request.user), pk=patient_id)
    on: Patient | Study = patient
    if study_id := request.POST.get("study"):
        on = get_object_or_404(patient.studies.visible_to(request.user), pk=_as_id(study_id))
    try:
        holds.place(on, request.POST.get("reason", ""), request.user)
    except holds.HoldError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The hold has been placed. Hospital IT can lift it."))
    return redirect("records:patient", patient_id)


def _as_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
