"""Pages about earlier studies, for hospital IT. They show no patient data."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.network.models import Node, PriorRequest, PriorRequestState
from webportal.network.nodes import NodeError
from webportal.network.priors import prior_requests, sources
from webportal.network.priors.forms import PriorSourceForm
from webportal.refusals import Conflict
from webportal.state_filter import filtered_by_state


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def source(request: SignedInRequest, node_id: uuid.UUID) -> HttpResponse:
    """Whether and which earlier studies are fetched from a node."""
    node = get_object_or_404(Node, pk=node_id)
    form = PriorSourceForm(request.POST or None, instance=sources.source_of(node))
    if form.is_valid():
        try:
            sources.change_source(node, form.cleaned_data, request.user)
        except NodeError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("{name} is changed.").format(name=node))
            return redirect("network:network")
    return render(request, "network/prior_source.html", {"node": node, "form": form})


@allow(Role.IT)
@require_GET
def priors(request: SignedInRequest) -> HttpResponse:
    """The queries for earlier studies, what they found, and what became of it, newest first."""
    rows = PriorRequest.objects.select_related("node").prefetch_related("found")
    context = filtered_by_state(request, rows, PriorRequestState)
    return render(request, "network/priors.html", context)


@allow(Role.IT)
@require_POST
def ask_again(request: SignedInRequest, request_id: uuid.UUID) -> HttpResponse:
    """Query a node again."""
    try:
        prior_requests.ask_again(get_object_or_404(PriorRequest, pk=request_id), request.user)
        messages.success(request, _("The device will be queried again within seconds."))
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect("network:priors")
