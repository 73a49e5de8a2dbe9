"""Pages of the systems that send orders, for hospital IT. They show no patient data."""

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from webportal.accounts.departments import only_department
from webportal.accounts.models import Department, Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.addresses import AddressesField
from webportal.orders import sources
from webportal.orders.models import (
    AccessionIn,
    CharacterSet,
    OrderMessage,
    OrderSource,
    RejectedSender,
)
from webportal.orders.sources import SourceError

_MESSAGES = 20


class SourceForm(forms.Form):
    """A new system."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=40)
    addresses = AddressesField()
    accession_in = forms.ChoiceField(
        label=gettext_lazy("Accession number"), choices=AccessionIn.choices
    )
    character_set = forms.ChoiceField(
        label=gettext_lazy("Character set"),
        choices=CharacterSet.choices,
        required=False,
        help_text=gettext_lazy("Of messages that name none (MSH-18)."),
    )
    departments = forms.ModelMultipleChoiceField(
        Department.objects.all(),
        label=gettext_lazy("Departments"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Their people see its orders before there is a study."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if only_department():
            del self.fields["departments"]


class SourceChangeForm(SourceForm):
    """An existing system, whose name is fixed."""

    is_active = forms.BooleanField(label=gettext_lazy("May send"), required=False)

    def __init__(self, *args: Any, source: OrderSource, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "addresses": " ".join(source.addresses),
            "accession_in": source.accession_in,
            "character_set": source.character_set,
            "departments": source.departments.all(),
            "is_active": source.is_active,
        }
        super().__init__(*args, **kwargs)
        del self.fields["name"]


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
        "sources": OrderSource.objects.annotate(last_at=Max("messages__received_at")),
        "received": OrderMessage.objects.select_related("source")[:_MESSAGES],
        "rejected": RejectedSender.objects.all(),
        "port": settings.ORDERS_PORT,
    }
    return render(request, "orders/sources.html", context)


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def order_source(request: SignedInRequest, source_id: uuid.UUID) -> HttpResponse:
    """Change a system, or let it send no more."""
    shown = get_object_or_404(OrderSource, pk=source_id)
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
