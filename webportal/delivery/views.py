"""Pages for destinations and the outbox, for hospital IT. They name no patient."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Max, Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.delivery import destinations, outbox
from webportal.delivery.forms import FORMS
from webportal.delivery.models import UNSETTLED, Delivery, DeliveryState, Destination, Protocol
from webportal.delivery.senders.outcome import SendOutcome, SendResult
from webportal.reasons import Reason
from webportal.refusals import Conflict
from webportal.state_filter import filtered_by_state


@allow(Role.IT)
@require_GET
def overview(request: SignedInRequest) -> HttpResponse:
    """The destinations and their status."""
    waiting = Count("deliveries", filter=Q(deliveries__state=DeliveryState.WAITING))
    stored = Count("deliveries", filter=Q(deliveries__state=DeliveryState.STORED))
    rejected = Count("deliveries", filter=Q(deliveries__state=DeliveryState.REJECTED))
    delivered_at = Max(
        "deliveries__settled_at", filter=Q(deliveries__state=DeliveryState.DELIVERED)
    )
    listed = Destination.objects.filter(removed_at=None).annotate(
        waiting=waiting, stored=stored, rejected=rejected, delivered_at=delivered_at
    )
    context = {
        "destinations": listed,
        "protocols": Protocol.choices,
        "ae_title": settings.DICOM_AE_TITLE,
    }
    return render(request, "delivery/destinations.html", context)


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def new(request: SignedInRequest, protocol: str) -> HttpResponse:
    """Add a destination for a protocol."""
    if protocol not in FORMS:
        raise Http404
    form = FORMS[protocol](request.POST or None)
    if form.is_valid():
        try:
            made = destinations.create_destination(protocol, form.cleaned_data, request.user)
        except destinations.DestinationError as error:
            form.add_error(None, error.message)
        else:
            words = _("{name} will receive everything signed from now on. Test the connection.")
            messages.success(request, words.format(name=made))
            return redirect("delivery:destinations")
    context = {"form": form, "protocol": Protocol(protocol).label}
    return render(request, "delivery/destination.html", context)


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def destination(request: SignedInRequest, destination_id: uuid.UUID) -> HttpResponse:
    """Change a destination."""
    destination = _present(destination_id)
    form = FORMS[destination.protocol](request.POST or None, destination=destination)
    if form.is_valid():
        try:
            destinations.change_destination(destination, form.cleaned_data, request.user)
        except destinations.DestinationError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("{name} has been changed.").format(name=destination))
            return redirect("delivery:destinations")
    waiting = destination.deliveries.filter(state__in=UNSETTLED).count()
    context = {
        "form": form,
        "destination": destination,
        "protocol": destination.get_protocol_display(),
        "removing": "remove" in request.GET,
        "waiting": waiting,
    }
    return render(request, "delivery/destination.html", context)


@allow(Role.IT)
@require_POST
def test(request: SignedInRequest, destination_id: uuid.UUID) -> HttpResponse:
    """Test whether a destination responds."""
    asked = _present(destination_id)
    outcome = destinations.test(asked, request.user)
    is_well = outcome.result == SendResult.DELIVERED
    words = _("It answered.") if is_well else _in_words(outcome)
    (messages.success if is_well else messages.warning)(request, f"{asked}: {words}")
    return redirect("delivery:destinations")


def _in_words(outcome: SendOutcome) -> str:
    if outcome.code == "not_reached":
        return _("Nothing responds at this address.")
    if outcome.code == "no_answer":
        return _("It accepted the connection but did not respond.")
    return str(Reason(outcome.code, outcome.params))


@allow(Role.IT)
@require_POST
def pause(request: SignedInRequest, destination_id: uuid.UUID) -> HttpResponse:
    """Pause a destination."""
    return _pause(request, destination_id, is_paused=True)


@allow(Role.IT)
@require_POST
def resume(request: SignedInRequest, destination_id: uuid.UUID) -> HttpResponse:
    """Resume a destination."""
    return _pause(request, destination_id, is_paused=False)


def _pause(request: SignedInRequest, key: uuid.UUID, *, is_paused: bool) -> HttpResponse:
    destination = _present(key)
    destinations.pause(destination, is_paused, request.user)
    words = _("{name} is paused.") if is_paused else _("Sending to {name} has resumed.")
    messages.success(request, words.format(name=destination))
    return redirect("delivery:destinations")


@allow(Role.IT)
@require_POST
def remove(request: SignedInRequest, destination_id: uuid.UUID) -> HttpResponse:
    """Remove a destination and cancel its pending deliveries."""
    destination = _present(destination_id)
    destinations.remove(destination, request.user)
    messages.success(request, _("{name} has been removed.").format(name=destination))
    return redirect("delivery:destinations")


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def deliveries(request: SignedInRequest) -> HttpResponse:
    """The outbox: deliveries with destination and state, newest first."""
    if request.method == "POST":
        return _act(request)
    rows = Delivery.objects.select_related("destination", "document").defer("document__content")
    if chosen := _destination_of(request.GET.get("destination", "")):
        rows = rows.filter(destination=chosen)
    context = filtered_by_state(request, rows, DeliveryState) | {"chosen": chosen}
    return render(request, "delivery/outbox.html", context)


def _act(request: SignedInRequest) -> HttpResponse:
    """Send the chosen deliveries again, or cancel them."""
    ids = _ids(request.POST.getlist("delivery"))
    try:
        if request.POST.get("action") == "cancel":
            count = outbox.cancel(ids, request.user)
            words = ngettext("{count} delivery cancelled.", "{count} deliveries cancelled.", count)
        else:
            chosen = _destination_of(request.GET.get("destination", ""))
            if request.POST.get("action") == "all_rejected" and chosen is not None:
                count = outbox.send_rejected_again(chosen, request.user)
            else:
                count = outbox.send_again(ids, request.user)
            words = ngettext(
                "{count} delivery will be sent again within seconds.",
                "{count} deliveries will be sent again within seconds.",
                count,
            )
        messages.success(request, words.format(count=count))
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect(request.get_full_path())


def _ids(texts: list[str]) -> list[uuid.UUID]:
    try:
        return [uuid.UUID(text) for text in texts]
    except ValueError:
        return []


def _destination_of(text: str) -> Destination | None:
    try:
        return Destination.objects.filter(pk=uuid.UUID(text)).first()
    except ValueError:
        return None


def _present(key: uuid.UUID) -> Destination:
    return get_object_or_404(Destination, pk=key, removed_at=None)
