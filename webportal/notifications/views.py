"""The badge, the list of notifications, and the e-mail preferences."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.access.shown import show
from webportal.accounts.roles import SignedInRequest, allow
from webportal.notifications import kinds, listing, services
from webportal.notifications.forms import MailForm
from webportal.notifications.models import OF_KNOWN_KIND, Notification

PER_PAGE = 50


@allow()
@require_GET
def notifications(request: SignedInRequest) -> HttpResponse:
    """The user's notifications, newest first."""
    notifications = listing.notifications_of(request.user)
    page = Paginator(notifications, PER_PAGE).get_page(request.GET.get("page"))
    show(request, study_ids=[each.study_id for each in page if each.study_id])
    context = {
        "page": page,
        "unread": listing.unread_count(request.user),
        "concerning": [kind.label for kind in kinds.kinds_of(request.user)],
    }
    return render(request, "notifications/notifications.html", context)


@allow()
@require_GET
def badge(request: SignedInRequest) -> HttpResponse:
    """The badge in the header, polled by the page."""
    return render(request, "notifications/badge.html")


@allow()
@require_GET
def open_notification(request: SignedInRequest, notification_id: uuid.UUID) -> HttpResponse:
    """Mark a notification as read and redirect to its target."""
    notification = get_object_or_404(
        Notification, OF_KNOWN_KIND, recipient=request.user, pk=notification_id
    )
    services.mark_read(request.user, notification.pk)
    return redirect(kinds.address(notification))


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
