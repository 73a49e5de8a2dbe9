"""Erasure pages for hospital IT, which show only ids and counts, and the request for an erasure."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts import passkey_forms
from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.erasure import services
from webportal.erasure.messages import KINDS, OBSTACLES, WAITING
from webportal.erasure.models import Erasure, ErasureState
from webportal.erasure.obstacles import obstacles
from webportal.records.models import Patient
from webportal.refusals import Refusal
from webportal.review.reads.authentication import Secret

ERASURES_PER_PAGE = 50
_PURPOSE = "erasure"


@allow(Role.IT)
@require_safe
def erasures(request: SignedInRequest) -> HttpResponse:
    """All erasures, those awaiting a decision first."""
    rows = Erasure.objects.select_related("requested_by", "decided_by")
    waiting = rows.filter(state=ErasureState.REQUESTED).order_by("requested_at")
    others = rows.exclude(state=ErasureState.REQUESTED)
    context = {
        "waiting": waiting,
        "page": Paginator(others, ERASURES_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "erasure/erasures.html", context)


@allow(Role.IT)
@require_safe
def erasure(request: SignedInRequest, erasure_id: uuid.UUID) -> HttpResponse:
    """One erasure: until it is confirmed, the data to be erased; then the erased data."""
    erasure = get_object_or_404(Erasure, pk=erasure_id)
    context: dict[str, Any] = {
        "erasure": erasure,
        "counts": in_words(erasure.counts),
        "waits_for": WAITING.get(erasure.waits_for, ""),
        "skipped": [(key, OBSTACLES.get(code, code)) for key, code in erasure.skipped],
    }
    if erasure.state == ErasureState.REQUESTED:
        context |= _to_confirm(erasure) | {"is_own": erasure.requested_by_id == request.user.pk}
    return render(request, "erasure/erasure.html", context)


def _to_confirm(erasure: Erasure) -> dict[str, Any]:
    """What the page shows of an erasure that nobody has decided on; empty if nothing is left."""
    if not erasure.is_of_patient:
        return {"digest": services.digest_of(erasure.studies), "studies": sorted(erasure.studies)}
    plan = services.plan_of(erasure)
    if plan is None:
        return {}
    return {
        "digest": plan.digest,
        "plan": plan,
        "counts": in_words(plan.counts),
        "studies": sorted(plan.studies),
        "kept": sorted(plan.kept),
        "unreadable": sorted(plan.unreadable),
        "obstacles": [OBSTACLES[code] for code in obstacles(plan)],
    }


def in_words(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Counts by kind, with the labels of the kinds."""
    return [(str(KINDS.get(code, code)), count) for code, count in counts.items()]


@allow(Role.IT)
@require_POST
def confirm(request: SignedInRequest, erasure_id: uuid.UUID) -> HttpResponse:
    """Confirm an erasure with the password or a passkey."""
    asked = get_object_or_404(Erasure, pk=erasure_id)
    given = request.POST
    try:
        services.confirm(asked, given.get("digest", ""), _secret(request), by=request.user)
    except Refusal as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Confirmed. It is carried out within a minute."))
    return redirect("erasure:erasure", erasure_id)


@allow(Role.IT)
@require_POST
def decline(request: SignedInRequest, erasure_id: uuid.UUID) -> HttpResponse:
    """Decline an erasure."""
    try:
        services.decline(get_object_or_404(Erasure, pk=erasure_id), request.user)
    except services.ErasureError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Declined: nothing is erased."))
    return redirect("erasure:erasures")


@allow(Role.IT)
@require_POST
def erase_due(request: SignedInRequest) -> HttpResponse:
    """Request the erasure of the studies that are due, with the password or a passkey.

    A single administrator confirms it by this.
    """
    given = request.POST
    try:
        erasure = services.erase_due(
            given.get("digest", ""),
            _secret(request),
            given.get("reason", ""),
            given.get("reference", ""),
            by=request.user,
        )
    except Refusal as error:
        messages.error(request, str(error))
        return redirect("retention:retention")
    if erasure.state == ErasureState.CONFIRMED:
        messages.success(request, _("Confirmed. The studies are erased one after the other."))
    else:
        words = _("The erasure has been requested. Somebody else in hospital IT has to confirm it.")
        messages.success(request, words)
    return redirect("erasure:erasure", erasure.pk)


def _secret(request: SignedInRequest) -> Secret:
    """The passkey if the browser sent one, else the password. Raises PasskeyError."""
    typed = request.POST.get("password", "")
    return passkey_forms.secret_of(request, _PURPOSE, request.user, typed)


@allow(Role.IT)
@require_POST
def passkey_options(request: SignedInRequest) -> HttpResponse:
    """The options with which the browser requests the passkey that confirms an erasure."""
    return passkey_forms.options_for(request, _PURPOSE, request.user)


@allow(Role.IT)
@require_safe
def certificate(request: SignedInRequest, erasure_id: uuid.UUID) -> HttpResponse:
    """The certificate of a finished erasure, as a PDF."""
    done = get_object_or_404(Erasure, pk=erasure_id, state=ErasureState.DONE)
    content = services.certificate_of(done, request.user)
    answer = HttpResponse(content, content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="erasure-{done.pk}.pdf"'
    return answer


@allow(*UPLOADERS)
@require_POST
def request_erasure(request: SignedInRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Request the erasure of a patient, for hospital IT to confirm."""
    patient = get_object_or_404(Patient.objects.visible_to(request.user), pk=patient_id)
    given = request.POST
    try:
        services.request(patient, given.get("reason", ""), given.get("reference", ""), request.user)
    except services.ErasureError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, _("The erasure has been requested. Hospital IT has to confirm it.")
        )
    return redirect("records:patient", patient_id)
