"""The badge, the list of notifications, and the e-mail preferences."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.accounts.models import User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.notifications import services
from webportal.notifications.forms import MailForm
from webportal.notifications.models import Kind, Notification
from webportal.records.choices import Priority
from webportal.records.models import IdentityCorrection
from webportal.review.models import Read, ReadState
from webportal.review.worklist.filters import MINE

PER_PAGE = 50


@allow()
@never_cache
@require_GET
def notifications(request: SignedInRequest) -> HttpResponse:
    """What the person was told, the newest first."""
    told = services.notifications_of(request.user)
    page = Paginator(told, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "unread": services.unread_count(request.user),
        "minutes": settings.STAT_UNREAD_MINUTES,
    }
    return render(request, "notifications/notifications.html", context)


@allow()
@never_cache
@require_GET
def badge(request: SignedInRequest) -> HttpResponse:
    """The badge in the header, polled by the page."""
    return render(request, "notifications/badge.html")


@allow()
@never_cache
@require_GET
def open_notification(request: SignedInRequest, notification_id: uuid.UUID) -> HttpResponse:
    """Mark a notification as read and redirect to its target."""
    told = get_object_or_404(Notification, recipient=request.user, pk=notification_id)
    services.mark_read(request.user, told.pk)
    if told.kind == Kind.BATCH_DONE:
        return redirect("results:batch", told.batch_id)
    if told.kind == Kind.STUDIES_ASSIGNED:
        return redirect(reverse("review:worklist", query={"assigned": MINE}))
    if told.kind == Kind.STUDIES_SIGNED:
        return redirect("intake:batches")
    if told.kind == Kind.REPORTS_READY:
        return redirect("reports:list")
    if told.kind == Kind.READ_OVERRULED:
        return redirect("review:study", told.study_id)
    if told.correction is not None:
        return redirect(_where_corrected(told.correction, request.user))
    if told.kind == Kind.PASSWORD_RESET:
        return redirect("accounts:sessions")
    if told.kind == Kind.SYSTEM_ALERT:
        return redirect("operations:queue")
    filters = {"priority": str(Priority.STAT.value)}
    if told.category and not services.reads_without_result(request.user):
        filters["category"] = told.category
    return redirect(reverse("review:worklist", query=filters))


def _where_corrected(correction: IdentityCorrection, reader: User) -> str:
    """The affected study, or the patient's history if there are several."""
    signed = Read.objects.filter(reader=reader, state=ReadState.SIGNED, signed_at__lt=correction.at)
    studies = list(correction.studies.filter(reads__in=signed).distinct()[:2])
    if len(studies) == 1:
        return reverse("review:study", args=[studies[0].pk])
    if studies:
        return reverse("records:patient", args=[studies[0].patient_id])
    return reverse("notifications:list")


@allow()
@require_POST
def read_all(request: SignedInRequest) -> HttpResponse:
    """Mark everything as read."""
    services.mark_read(request.user)
    return redirect("notifications:list")


@allow()
@require_http_methods(["GET", "POST"])
def preferences(request: SignedInRequest) -> HttpResponse:
    """E-mail preferences."""
    chosen = {"email": request.user.email, "kinds": services.chosen_kinds(request.user)}
    form = MailForm(request.user, request.POST or None, initial=chosen)
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        services.choose(request.user, fields["email"], fields["kinds"])
        messages.success(request, gettext("Your choice is saved."))
        return redirect("notifications:preferences")
    context = {"form": form, "mail_enabled": settings.MAIL_ENABLED}
    return render(request, "notifications/preferences.html", context)
