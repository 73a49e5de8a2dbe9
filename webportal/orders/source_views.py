"""Pages of the systems that send orders, for hospital IT. They show no patient data."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.orders import sources
from webportal.orders.forms import SourceChangeForm, SourceForm
from webportal.orders.models import OrderMessage, RejectedSender
from webportal.orders.sources import SourceError

_MESSAGES = 20


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def order_sources(request: SignedInRequest) -> HttpResponse:
    """The systems, a form to add one, the last messages, and unknown callers."""
    form = SourceForm(request.POST or None)
    if form.is_valid():
        try:
            source = sources.create_source(**form.cleaned_data, by=request.user)
        except SourceError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("{name} may send orders now.").format(name=source))
            return redirect("orders:sources")
    context = {
        "form": form,
        "sources": sources.senders().annotate(last_at=Max("messages__received_at")),
        "received": OrderMessage.objects.select_related("source")[:_MESSAGES],
        "rejected": RejectedSender.objects.all(),
        "port": settings.ORDERS_PORT,
    }
    return render(request, "orders/sources.html", context)


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def order_source(request: SignedInRequest, source_id: uuid.UUID) -> HttpResponse:
    """Change a system, or let it send no more."""
    shown = get_object_or_404(sources.senders(), pk=source_id)
    form = SourceChangeForm(request.POST or None, source=shown)
    if form.is_valid():
        try:
            sources.change_source(shown, **form.cleaned_data, by=request.user)
        except SourceError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("{name} is changed.").format(name=shown))
            return redirect("orders:sources")
    return render(request, "orders/source.html", {"source": shown, "form": form})
