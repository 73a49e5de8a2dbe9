"""Pages about storage commitment, for hospital IT. They show no patient data."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.network import commitment_requests
from webportal.network.models import Commitment, CommitmentState
from webportal.refusals import Conflict
from webportal.state_filter import filtered_by_state


@allow(Role.IT)
@require_GET
def commitments(request: SignedInRequest) -> HttpResponse:
    """Requests for storage commitment, and whether their reports arrived, newest first."""
    rows = Commitment.objects.select_related("node")
    context = filtered_by_state(request, rows, CommitmentState)
    return render(request, "network/commitments.html", context)


@allow(Role.IT)
@require_POST
def send_again(request: SignedInRequest, commitment_id: uuid.UUID) -> HttpResponse:
    """Report to the device again, at once."""
    try:
        asked = get_object_or_404(Commitment, pk=commitment_id)
        commitment_requests.send_again(asked, request.user)
        messages.success(request, _("It will be reported within seconds."))
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect("network:commitments")
