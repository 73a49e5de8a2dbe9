"""Pages of the DICOM network, for hospital IT. They show no patient data."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Max, Min, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.network import callers, inbox, nodes, unrecorded
from webportal.network.forms import NodeChangeForm, NodeForm
from webportal.network.models import InboxState, Node, ReceivedInstance, RejectedCaller
from webportal.network.sop_classes import name_of
from webportal.refusals import Conflict
from webportal.state_filter import ROWS_PER_PAGE, filtered_by_state

_WHY_REJECTED = {
    callers.UNKNOWN: gettext_lazy("unknown AE title"),
    callers.INACTIVE: gettext_lazy("may not send"),
    callers.ADDRESS: gettext_lazy("not from this address"),
    callers.CALLED: gettext_lazy("called another AE title"),
    callers.TOO_LARGE: gettext_lazy("aborted: sent an object larger than an upload may be"),
}


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def network(request: SignedInRequest) -> HttpResponse:
    """Nodes, a form to add one, and rejected callers."""
    form = NodeForm(request.POST or None)
    if form.is_valid():
        try:
            node = nodes.create_node(**form.cleaned_data, by=request.user)
        except Conflict as error:
            form.add_error(None, error.message)
        else:
            words = _("{node} may send images now.") if node.is_active else _("{node} is added.")
            messages.success(request, words.format(node=node))
            return redirect("network:network")
    waiting = Count("received", filter=Q(received__state=InboxState.WAITING))
    refused = Count("received", filter=Q(received__state=InboxState.REFUSED))
    context = {
        "form": form,
        "nodes": Node.objects.select_related("order_source", "prior_source").annotate(
            last_at=Max("received__received_at"), waiting=waiting, refused=refused
        ),
        "rejected": [(each, _WHY_REJECTED.get(each.reason, "")) for each in _rejected()],
        "ae_title": settings.DICOM_AE_TITLE,
        "port": settings.DICOM_PORT,
    }
    return render(request, "network/network.html", context)


def _rejected() -> list[RejectedCaller]:
    return list(RejectedCaller.objects.all()[:10])


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def node(request: SignedInRequest, node_id: uuid.UUID) -> HttpResponse:
    """Change a node, or deactivate it."""
    node = get_object_or_404(Node, pk=node_id)
    form = NodeChangeForm(request.POST or None, node=node)
    if form.is_valid():
        try:
            nodes.change_node(node, **form.cleaned_data, by=request.user)
        except Conflict as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("{name} is changed.").format(name=node))
            return redirect("network:network")
    return render(request, "network/node.html", {"node": node, "form": form})


@allow(Role.IT)
@require_POST
def test_node(request: SignedInRequest, node_id: uuid.UUID) -> HttpResponse:
    """Send a C-ECHO to a node and show the result."""
    # Here, because pynetdicom would take 6 MB of every portal's memory.
    from webportal.network import echo

    called = get_object_or_404(Node, pk=node_id)
    answered, words = echo.echo(called, request.user)
    (messages.success if answered else messages.warning)(request, f"{called}: {words}")
    return redirect("network:network")


@allow(Role.IT)
@require_GET
def received(request: SignedInRequest) -> HttpResponse:
    """The inbox: received instances, their senders and states, newest first."""
    rows = ReceivedInstance.objects.select_related("node", "item")
    context = filtered_by_state(request, rows, InboxState)
    alone = inbox.kept_alone().aggregate(count=Count("pk"), oldest=Min("received_at"))
    discarding = request.GET.get("discard", "")
    kept = dict(context["states"])[InboxState.SET_ASIDE]
    if discarding == "alone":
        kept = alone["count"]
    context |= {
        "rows": [(row, name_of(row.sop_class_uid)) for row in context["page"]],
        "discarding": _discarding(discarding),
        "kept": min(kept, inbox.MOST_AT_ONCE),
        "discarding_kept": discarding if discarding in ("kept", "alone") else "",
        "alone": alone,
        "found": dict(context["states"])[InboxState.FOUND],
        "found_studies": _found_studies(),
        "nodes": Node.objects.all(),
    }
    return render(request, "network/inbox.html", context)


def _found_studies() -> list[tuple[str, int]]:
    """The studies of the files without a record, and how many files each has."""
    rows = ReceivedInstance.objects.filter(state=InboxState.FOUND).exclude(study_instance_uid="")
    return list(
        rows.order_by("study_instance_uid")
        .values_list("study_instance_uid")
        .annotate(Count("pk"))[:ROWS_PER_PAGE]
    )


def _discarding(asked: str) -> ReceivedInstance | None:
    """The instance that the user is about to discard, to be confirmed first."""
    try:
        found = ReceivedInstance.objects.select_related("node").filter(pk=uuid.UUID(asked))
    except ValueError:
        return None
    return found.filter(state__in=inbox.DISCARDABLE).first()


@allow(Role.IT)
@require_POST
def adopt(request: SignedInRequest) -> HttpResponse:
    """Import files without a record, of one study or all, as sent by the chosen node."""
    try:
        node = get_object_or_404(Node, pk=uuid.UUID(request.POST.get("node", "")))
    except ValueError:
        messages.warning(request, _("Choose the device that sent the files."))
        return redirect("network:inbox")
    rows = ReceivedInstance.objects.all()
    if study := request.POST.get("study", ""):
        rows = rows.filter(study_instance_uid=study)
    count = unrecorded.adopt(rows, node, request.user)
    words = ngettext(
        "{count} file will be processed as sent by {node}.",
        "{count} files will be processed as sent by {node}.",
        count,
    )
    messages.success(request, words.format(count=count, node=node))
    return redirect("network:inbox")


@allow(Role.IT)
@require_POST
def retry(request: SignedInRequest, received_id: uuid.UUID) -> HttpResponse:
    """Queue a refused instance for another attempt."""
    try:
        inbox.retry(get_object_or_404(ReceivedInstance, pk=received_id), request.user)
        messages.success(request, _("It will be processed again within seconds."))
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect("network:inbox")


@allow(Role.IT)
@require_POST
def discard(request: SignedInRequest, received_id: uuid.UUID) -> HttpResponse:
    """Discard an instance that was refused, set aside, or found without a record."""
    try:
        inbox.discard(get_object_or_404(ReceivedInstance, pk=received_id), request.user)
        messages.success(request, _("The instance has been discarded."))
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect("network:inbox")


@allow(Role.IT)
@require_POST
def discard_kept(request: SignedInRequest) -> HttpResponse:
    """Discard the oldest objects that are set aside."""
    try:
        only_alone = request.POST.get("which") == "alone"
        count = inbox.discard_kept(request.user, only_alone=only_alone)
        words = ngettext(
            "{count} object has been discarded.", "{count} objects have been discarded.", count
        )
        messages.success(request, words.format(count=count))
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect(f"{reverse('network:inbox')}?state={InboxState.SET_ASIDE}")
