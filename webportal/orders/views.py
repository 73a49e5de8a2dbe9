"""The order of a study, and studies whose orders a person has to look at."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from webportal.access.shown import show
from webportal.accounts.models import Role, User
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.orders.display import FIELDS, asked_of, receives_orders
from webportal.orders.linking import (
    OrderError,
    differences,
    link,
    names_patient,
    of_number,
    unlink,
)
from webportal.orders.models import Order, OrderedStudy
from webportal.orders.questions import ask_for, may_be_asked_again
from webportal.records import visibility
from webportal.records.choices import ReadingState
from webportal.records.identifiers import LONGEST
from webportal.records.models import Patient, Radiograph, Study

_ROWS_PER_PAGE = 50
#: Older studies without an order are of the past.
_DAYS_WITHOUT = 7


@dataclass(frozen=True)
class ShownOrder:
    """An order beside a study: whether they are linked, and in what they differ.

    Of one that `is_closed` nothing but this is shown.
    """

    order: Order
    differences: Sequence[str]
    link: OrderedStudy | None = None
    is_closed: bool = False

    @property
    def other(self) -> list[str]:
        """The names of the fields that differ."""
        return [str(FIELDS[name]) for name in self.differences]


@allow(*UPLOADERS)
@require_http_methods(["GET", "POST"])
def study_order(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """The orders of a study and those with its number, and finding one by another number.

    One is found only by those who know whose it is: nothing is shown for a number alone.
    """
    visible = Study.objects.visible_to(request.user).select_related("patient")
    study = get_object_or_404(visible, pk=study_id)
    step, number = request.POST.get("step", ""), request.POST.get("number", "")[:LONGEST]
    if step in ("link", "unlink"):
        return _decide(request, study, step)
    if step == "ask":
        return _ask_again(request, study)
    known = _known_to(request.user).select_related("source")
    asked_for = request.POST.get("patient_id", "")[:LONGEST]
    found = (
        [
            ShownOrder(order, differences(order, study.patient))
            for order in known.filter(accession_number=number).exclude(links__study=study)
            if names_patient(order, asked_for)
        ]
        if step == "find" and number
        else []
    )
    linked = [
        ShownOrder(each.order, differences(each.order, study.patient), each)
        for each in study.order_links.select_related("order__source", "linked_by")
    ]
    seen = set(Order.objects.visible_to(request.user).filter(pk__in=of_number(study)))
    waiting = [
        ShownOrder(order, differences(order, study.patient), is_closed=order not in seen)
        for order in of_number(study).filter(pk__in=known).select_related("source")
        if order.pk not in {each.order.pk for each in found}
    ]
    shown = [each.order for each in (*linked, *waiting, *found) if not each.is_closed]
    _report(request, study, shown)
    context = {
        "study": study,
        "linked": linked,
        "waiting": waiting,
        "asked": asked_of(study),
        "may_ask": may_be_asked_again(study),
        "found": found,
        "number": number,
        "patient_id": asked_for or ("" if study.patient.is_temporary else study.patient.patient_id),
        "is_searched": step == "find",
        "may_open": request.user.has_role(Role.RADIOLOGIST),
    }
    return render(request, "orders/study_order.html", context)


def _report(request: SignedInRequest, study: Study, orders: Sequence[Order]) -> None:
    """Report the study and whose orders are shown: the patients on record, and the orders."""
    numbers = {each["id"] for order in orders for each in order.patient_ids}
    others = Patient.objects.visible_to(request.user).filter(patient_id__in=numbers)
    show(
        request,
        study,
        patient_ids=others.values_list("pk", flat=True),
        orders=" ".join(str(order.pk) for order in orders),
    )


def _decide(request: SignedInRequest, study: Study, step: str) -> HttpResponse:
    try:
        key = uuid.UUID(request.POST.get("order", ""))
    except ValueError:
        key = uuid.UUID(int=0)
    order = get_object_or_404(_known_to(request.user), pk=key)
    if step == "link" and not _may_see(request, order):
        raise Http404
    try:
        if step == "link":
            link(order, study, request.user)
            messages.success(request, _("The order is linked to the study."))
        else:
            unlink(order, study, request.user)
            messages.success(request, _("The order is not for this study."))
    except OrderError as error:
        messages.warning(request, error.message)
    return redirect("orders:study-order", study.pk)


def _ask_again(request: SignedInRequest, study: Study) -> HttpResponse:
    with transaction.atomic():
        ask_for(Study.objects.select_for_update(no_key=True).get(pk=study.pk))
    messages.success(request, _("The worklist will be queried again within seconds."))
    return redirect("orders:study-order", study.pk)


def _known_to(person: User) -> QuerySet[Order]:
    """The orders of which the person may know that they exist."""
    return Order.objects.filter(Order.known_in(visibility.scope_of(person)))


def _may_see(request: SignedInRequest, order: Order) -> bool:
    """Whether the person sees the order, or has said whose it is."""
    if Order.objects.visible_to(request.user).filter(pk=order.pk).exists():
        return True
    return names_patient(order, request.POST.get("patient_id", ""))


@allow(*UPLOADERS)
@require_GET
def to_decide(request: SignedInRequest) -> HttpResponse:
    """Unread studies whose order is of another patient, and recent ones without an order."""
    linked = OrderedStudy.objects.filter(study=OuterRef("pk"))
    unread = Study.objects.in_departments_of(request.user).filter(
        ~Exists(linked), reading_state=ReadingState.UNREAD, is_phantom=False
    )
    same = _known_to(request.user).filter(
        ~Q(not_for__contains=[OuterRef("pk")]), accession_number=OuterRef("accession_number")
    )
    waiting = ~Q(accession_number="") & Q(Exists(same))
    recent = timezone.now() - timedelta(days=_DAYS_WITHOUT)
    is_expected = receives_orders()
    studies = (
        (unread if is_expected else unread.none())
        .annotate(is_held=Exists(same), file_name=Subquery(_first_file()))
        .filter(waiting | Q(created_at__gte=recent))
    )
    rows = studies.select_related("patient").order_by("-is_held", "-created_at", "pk")
    page = Paginator(rows, _ROWS_PER_PAGE).get_page(request.GET.get("page"))
    show(request, *page.object_list)
    context = {"page": page, "receives_orders": is_expected}
    return render(request, "orders/to_decide.html", context)


def _first_file() -> QuerySet[Radiograph, str]:
    """The name of a study's first file, which distinguishes temporary identities."""
    images = Radiograph.objects.filter(study=OuterRef("pk"), study__patient__is_temporary=True)
    named = images.filter(upload_items__isnull=False).order_by("upload_items__pk")
    return named.values_list("upload_items__file_name", flat=True)[:1]
