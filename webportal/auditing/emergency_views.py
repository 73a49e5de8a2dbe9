"""Review of emergency accesses: user, patient, reason, data shown, and outcome."""

import uuid

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from webportal.access.models import AccessEntry
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.auditing.accesses import what
from webportal.auditing.subjects import subject_of
from webportal.records.models import EmergencyAccess, ReviewOutcome
from webportal.review.emergency import services

ACCESSES_PER_PAGE = 50
MOST_ENTRIES = 200


class ReviewForm(forms.Form):
    """The outcome of a review."""

    outcome = forms.ChoiceField(
        label=gettext_lazy("Outcome"), choices=ReviewOutcome.choices, widget=forms.RadioSelect
    )
    remark = forms.CharField(
        label=gettext_lazy("Remark"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@allow(Role.AUDITOR)
@require_safe
def emergencies(request: SignedInRequest) -> HttpResponse:
    """All emergency accesses, those awaiting review first."""
    found = EmergencyAccess.objects.select_related("person", "patient", "reviewed_by")
    ordered = found.order_by(F("reviewed_at").desc(nulls_first=True), "-began_at", "id")
    page = Paginator(ordered, ACCESSES_PER_PAGE).get_page(request.GET.get("page"))
    show(request, patient_ids=[each.patient_id for each in page])
    context = {"page": page, "now": timezone.now()}
    return render(request, "audit/emergencies.html", context)


@allow(Role.AUDITOR)
@require_http_methods(["GET", "POST"])
def emergency(request: SignedInRequest, access_id: uuid.UUID) -> HttpResponse:
    """One access, with the data shown to the user during it, and its review."""
    related = EmergencyAccess.objects.select_related("person", "patient", "reviewed_by")
    access = get_object_or_404(related, pk=access_id)
    form = ReviewForm(request.POST or None)
    if form.is_valid():
        given = form.cleaned_data
        try:
            services.review(access, given["outcome"], given["remark"], request.user)
        except services.EmergencyError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The review is recorded."))
            return redirect("audit:emergencies")
    show(request, patient_ids=[access.patient_id])
    detail = {"emergency": str(access.pk)}
    append(Event(Action.ACCESS_VIEWED, "patient", access.patient_id, detail=detail), request.user)
    seen = _seen(access)
    context = {
        "access": access,
        "is_running": access.ends_at > timezone.now(),
        "is_own": access.person_id == request.user.pk,
        "form": form,
        "seen": [(entry, what(entry.kind, entry.outcome)) for entry in seen[:MOST_ENTRIES]],
        "sees_more": seen.count() > MOST_ENTRIES,
    }
    return render(request, "audit/emergency.html", context, status=422 if form.is_bound else 200)


def _seen(access: EmergencyAccess) -> QuerySet[AccessEntry]:
    """The patient's data shown to the user during the access."""
    about = subject_of(access.patient).entries()
    entries = AccessEntry.objects.filter(about, user_id=access.person_id)
    return entries.filter(at__gte=access.began_at, at__lte=access.ends_at).order_by("id")
