"""Pages of the intake: upload batches, sending files, and the files held for patient matching."""

import uuid
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake import body, cases, resolution, services, summary
from webportal.intake.cases import CaseRecordForm
from webportal.intake.errors import IntakeError, NotHeldError, StorageFullError
from webportal.intake.forms import BatchForm, read_forms
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.intake.resolution import Decision

BATCHES_PER_PAGE = 30
ITEMS_PER_PAGE = 100
_MOST_EXPECTED = 1_000_000


@allow(Role.UPLOADER)
@require_GET
def batches(request: SignedInRequest) -> HttpResponse:
    """Upload batches, the newest first."""

    def count(verdict: Verdict) -> Count:
        return Count("items", filter=Q(items__verdict=verdict))

    counts = {verdict.value: count(verdict) for verdict in Verdict}
    found = (
        UploadBatch.objects.select_related("created_by")
        .annotate(received=Count("items"), **counts)
        .order_by("-created_at")
    )
    context = {
        "page": Paginator(found, BATCHES_PER_PAGE).get_page(request.GET.get("page")),
        "held_count": _held_items().count(),
    }
    return render(request, "intake/batches.html", context)


@allow(Role.UPLOADER)
@require_http_methods(["GET", "POST"])
def new_batch(request: SignedInRequest) -> HttpResponse:
    """Say how files are to be taken in; the page that follows takes them."""
    batch_form = BatchForm(request.POST or None, request.FILES or None)
    case_form = CaseRecordForm(request.POST or None, prefix="case")
    if request.method == "POST":
        answer = read_forms(batch_form, case_form)
        if answer is not None:
            fields, records = answer
            created = services.create_batch(request.user, **fields, records=records)
            return redirect("intake:batch", created.pk)
    else:
        # An unbound form of a GET is never asked for its errors.
        case_form = CaseRecordForm(prefix="case")
    context = {
        "batch_form": batch_form,
        "case_form": case_form,
        "sheet_columns": cases.SHEET_COLUMNS,
        "has_errors": request.method == "POST",
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
    return render(request, "intake/new_batch.html", context, status=status)


@allow(Role.UPLOADER)
@require_GET
def sheet_template(request: SignedInRequest) -> HttpResponse:
    """An empty CSV sheet with the column names."""
    return HttpResponse(
        cases.sheet_template(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="chestline-sheet.csv"'},
    )


@allow(Role.UPLOADER)
@never_cache
@require_GET
def batch(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """A batch: the place to drop files, and what became of those that arrived."""
    context = _batch_context(request, batch_id) | {
        "max_bytes": settings.UPLOAD_MAX_BYTES,
        "max_archive_bytes": settings.UPLOAD_MAX_ARCHIVE_BYTES,
    }
    return render(request, "intake/batch.html", context)


@allow(Role.UPLOADER)
@never_cache
@require_GET
def batch_status(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The part of a batch's page that changes while files arrive and are analysed."""
    return render(request, "intake/batch_status.html", _batch_context(request, batch_id))


def _batch_context(request: SignedInRequest, batch_id: uuid.UUID) -> dict[str, Any]:
    found = get_object_or_404(UploadBatch.objects.select_related("created_by"), pk=batch_id)
    items = found.items.select_related("radiograph__study__patient").order_by("-updated_at", "id")
    shown = request.GET.get("show", "")
    if shown in Verdict.values:
        items = items.filter(verdict=shown)
    return {
        "batch": found,
        "summary": summary.summarise(found),
        "failures": summary.failures(found),
        "page": Paginator(items, ITEMS_PER_PAGE).get_page(request.GET.get("page")),
        "shown": shown,
        "verdicts": Verdict.choices,
        "may_read": request.user.has_role(Role.RADIOLOGIST),
    }


@allow(Role.UPLOADER)
@require_POST
def upload(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Take one file in and answer with its verdicts as JSON.

    The body is the file itself. `X-File-Path` is its path, percent-encoded; `X-Expected-Files` may
    tell how many files the sender has in all.
    """
    found = get_object_or_404(UploadBatch, pk=batch_id)
    expected = request.headers.get("X-Expected-Files", "")
    if expected.isdecimal():
        services.announce(found, min(int(expected), _MOST_EXPECTED))
    path = unquote(request.headers.get("X-File-Path", ""))
    try:
        with body.received(request) as file:
            items = services.receive_file(found, path, file, request.user)
    except body.BodyError as reason:
        return _problem(reason.status, reason)
    except StorageFullError as reason:
        return _problem(HTTPStatus.INSUFFICIENT_STORAGE, reason)
    return JsonResponse({"items": [_as_json(item) for item in items]})


def _problem(status: HTTPStatus, reason: IntakeError) -> JsonResponse:
    return JsonResponse({"code": reason.code, "message": reason.message}, status=status)


def _as_json(item: UploadItem) -> dict[str, str]:
    return {
        "file_name": item.file_name,
        "verdict": item.verdict,
        "reason_code": item.reason_code,
        "reason": item.reason,
    }


def _held_items() -> Any:
    return UploadItem.objects.filter(verdict=Verdict.HELD)


@allow(Role.UPLOADER)
@require_GET
def held(request: SignedInRequest) -> HttpResponse:
    """The manual-match list: files whose patient is in doubt, the oldest first."""
    items = _held_items().select_related("batch__created_by")
    page = Paginator(items, ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "intake/held.html", {"page": page})


@allow(Role.UPLOADER)
@never_cache
@require_http_methods(["GET", "POST"])
def held_item(request: SignedInRequest, item_id: uuid.UUID) -> HttpResponse:
    """One held file beside the record that it contradicts, and the decision on it."""
    item = get_object_or_404(UploadItem.objects.select_related("batch"), pk=item_id)
    try:
        if request.method == "POST" and request.POST.get("decision") in Decision.values:
            return _decide(request, item, Decision(request.POST["decision"]))
        asked = resolution.question(item, request.user)
    except NotHeldError as reason:
        messages.info(request, reason.message)
        return redirect("intake:held")
    append(Event(Action.PATIENT_VIEWED, "patient", asked.recorded.pk), request.user)
    context = {"item": item, "asked": asked, "alike": resolution.alike(item, request.user)}
    return render(request, "intake/held_item.html", context)


def _decide(request: SignedInRequest, item: UploadItem, decision: Decision) -> HttpResponse:
    others = resolution.alike(item, request.user) if request.POST.get("alike") else []
    decided = 0
    try:
        for each in (item, *others):
            resolution.resolve(each, decision, request.user)
            decided += 1
    except NotHeldError:
        raise
    except IntakeError as reason:
        messages.error(request, f"The file is still held. {reason.message}")
        return redirect("intake:held-item", item.pk)
    files = "The file is" if decided == 1 else f"{decided} files are"
    done = {
        Decision.SAME: "recorded for the patient on record",
        Decision.OTHER: "recorded for a new temporary patient, whose record can now be completed",
        Decision.DISCARD: "discarded",
    }
    messages.success(request, f"{files} {done[decision]}.")
    return redirect("intake:held")
