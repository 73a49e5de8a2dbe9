"""Pages for emergency access."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from webportal.access.shown import show
from webportal.accounts import passkey_forms
from webportal.accounts.models import Role, User
from webportal.accounts.passkeys import PasskeyError
from webportal.accounts.roles import SignedInRequest, allow
from webportal.records.models import EmergencyAccess
from webportal.records.visibility import has_departments
from webportal.review.emergency import services
from webportal.review.emergency.forms import EmergencyForm
from webportal.review.reads import authentication

_PURPOSE = "emergency access"


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def begin(request: SignedInRequest) -> HttpResponse:
    """Request access to a patient of another department; needs more than one department."""
    if not has_departments():
        raise Http404
    form = EmergencyForm(request.POST or None, initial=_to_renew(request))
    access = _begin(request, form) if form.is_valid() else None
    if access is not None:
        show(request, patient_ids=[access.patient_id])
        return redirect("records:patient", access.patient_id)
    context = {
        "form": form,
        "minutes": settings.EMERGENCY_ACCESS_MINUTES,
        "asks_for_pin": authentication.has_pin(request.user)
        and authentication.pin_is_open(request.session),
    }
    status = 422 if form.is_bound else 200
    return render(request, "review/emergency/begin.html", context, status=status)


def _to_renew(request: SignedInRequest) -> dict[str, str]:
    """Initial values to renew one of the user's own accesses."""
    try:
        wanted = uuid.UUID(request.GET.get("renew", ""))
    except ValueError:
        return {}
    access = services.renewable(request.user).filter(pk=wanted).first()
    if access is None:
        return {}
    show(request, patient_ids=[access.patient_id])
    patient = access.patient
    return {"number": patient.patient_id, "issuer": patient.issuer, "reason": access.reason}


def _begin(request: SignedInRequest, form: EmergencyForm) -> EmergencyAccess | None:
    given = form.cleaned_data
    try:
        return services.begin(
            request.user,
            given["number"],
            given["reason"],
            passkey_forms.secret_of(request, _PURPOSE, request.user, given["password"]),
            issuer=given["issuer"],
            pin_is_open=authentication.pin_is_open(request.session),
        )
    except (services.NotAuthenticatedError, PasskeyError) as error:
        authentication.end_series(request.session)
        form.add_error("password", str(error))
    except services.EmergencyError as error:
        form.add_error(None, str(error))
    return None


@allow(Role.RADIOLOGIST)
@require_POST
def passkey_options(request: SignedInRequest) -> HttpResponse:
    """The options with which the browser requests the passkey for an emergency access."""
    return passkey_forms.options_for(request, _PURPOSE, request.user)


@allow(Role.RADIOLOGIST)
@require_POST
def end(request: SignedInRequest, access_id: uuid.UUID) -> HttpResponse:
    """End the user's own access now."""
    services.end(get_object_or_404(EmergencyAccess, pk=access_id, person=request.user))
    messages.success(request, _("The emergency access has ended."))
    return redirect("review:worklist")


def running(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the user's running accesses and the time left, without patient names."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.has_role(Role.RADIOLOGIST):
        return {}
    now = timezone.now()
    return {
        "emergencies": [
            {
                "access": access,
                "seconds": int((access.ends_at - now).total_seconds()),
                "renewable_seconds": int(services.RENEWABLE.total_seconds()),
            }
            for access in services.running(user)
        ]
    }
