"""Pages of the intake: upload batches, their case sheets, and receiving files."""

import uuid
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.access.shown import show
from webportal.accounts.departments import DepartmentError
from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.intake import pipeline
from webportal.intake.access_reporting import show_items, without_others
from webportal.intake.batches import services, summary, texts, waiting
from webportal.intake.batches.forms import BatchForm, read_forms
from webportal.intake.cases import sheet
from webportal.intake.cases.case_record import CaseRecordForm
from webportal.intake.errors import IntakeError
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.intake.pipeline import body, turns

BATCHES_PER_PAGE = 30
ITEMS_PER_PAGE = 100
SHEET_LINES_SHOWN = 500
_MOST_EXPECTED = 1_000_000


@allow(*UPLOADERS)
@require_GET
def batches(request: SignedInRequest) -> HttpResponse:
    """Upload batches, newest first."""

    def count(verdict: Verdict) -> Count:
        return Count("items", filter=Q(items__verdict=verdict))

    counts = {verdict.value: count(verdict) for verdict in Verdict}
    found = (
        UploadBatch.objects.visible_to(request.user)
        .select_related("created_by")
        .annotate(received=Count("items"), **counts)
        .order_by("-created_at")
    )
    show(request)
    context = {
        "page": Paginator(found, BATCHES_PER_PAGE).get_page(request.GET.get("page")),
        "held_count": UploadItem.objects.visible_to(request.user)
        .filter(verdict=Verdict.HELD)
        .count(),
    }
    return render(request, "intake/batches.html", context)


@allow(*UPLOADERS)
@require_http_methods(["GET", "POST"])
def new_batch(request: SignedInRequest) -> HttpResponse:
    """Ask whose images they are; the page that follows receives the files."""
    batch_form = BatchForm(request.POST or None, request.FILES or None, by=request.user)
    case_form = CaseRecordForm(request.POST or None, prefix="case")
    if request.method == "POST":
        answer = read_forms(batch_form, case_form)
        if answer is not None:
            fields, records = answer
            try:
                created = services.create_batch(request.user, **fields, records=records)
            except DepartmentError as error:
                batch_form.add_error(None, str(error))
            else:
                return redirect("intake:batch", created.pk)
    else:
        # On GET, the unbound form is not validated.
        case_form = CaseRecordForm(prefix="case")
    context = {
        "batch_form": batch_form,
        "case_form": case_form,
        "sheet_columns": sheet.COLUMNS,
        **_sheet_context(batch_form.checked_sheet),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
    return render(request, "intake/new_batch.html", context, status=status)


@allow(*UPLOADERS)
@require_GET
def sheet_template(request: SignedInRequest) -> HttpResponse:
    """An empty CSV sheet with the column names."""
    return HttpResponse(
        sheet.template(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="chestline-sheet.csv"'},
    )


@allow(*UPLOADERS)
@require_POST
def check_sheet(request: SignedInRequest) -> HttpResponse:
    """Each line of a sheet with its verdict, before anything is created from it."""
    file = request.FILES.get("sheet")
    checked = None if file is None else sheet.parse(file.read(sheet.MAX_SHEET_BYTES + 1))
    return render(request, "intake/sheet_preview.html", _sheet_context(checked))


def _sheet_context(checked: sheet.Sheet | None) -> dict[str, Any]:
    """The preview of a sheet; for a long one, all invalid lines come before valid ones."""
    if checked is None:
        return {"checked": None}
    bad = checked.bad_lines[:SHEET_LINES_SHOWN]
    good = [line for line in checked.lines if not line.problems]
    shown = sorted(
        bad + good[: SHEET_LINES_SHOWN - len(bad)],
        key=lambda line: line.number,
    )
    names = [name for name in checked.names if _holds_something(name, checked.lines)]
    return {
        "checked": checked,
        "shown_names": names,
        "empty_names": [name for name in checked.names if name not in names],
        "shown_lines": [(line, _cells(line, names)) for line in shown],
        "lines_left_out": len(checked.lines) - len(shown),
        "good_count": len(good),
    }


def _holds_something(name: str, lines: list[sheet.SheetLine]) -> bool:
    """Whether any line has a value or an error in this column."""
    return any(
        line.values.get(name) or any(each.column == name for each in line.problems)
        for line in lines
    )


def _cells(line: sheet.SheetLine, names: list[str]) -> list[tuple[str, list[str]]]:
    """Each value of a line with its error."""
    cells = []
    for name in names:
        wrong = [each.message for each in line.problems if each.column == name]
        cells.append((line.values.get(name, ""), wrong))
    elsewhere = [str(each) for each in line.problems if each.column not in names]
    if cells and elsewhere:
        cells[0] = (cells[0][0], [*cells[0][1], *elsewhere])
    return cells


@allow(*UPLOADERS)
@require_GET
def batch(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """A batch: the drop zone for files, and the verdicts on those received."""
    context = _batch_context(request, batch_id) | {
        "max_bytes": settings.UPLOAD_MAX_BYTES,
        "max_archive_bytes": settings.UPLOAD_MAX_ARCHIVE_BYTES,
        "texts": texts.uploader(),
    }
    return render(request, "intake/batch.html", context)


@allow(*UPLOADERS)
@require_GET
def batch_status(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The part of a batch's page that changes as files arrive and are analysed."""
    return render(request, "intake/batch_status.html", _batch_context(request, batch_id))


def _batch_context(request: SignedInRequest, batch_id: uuid.UUID) -> dict[str, Any]:
    found = get_object_or_404(
        UploadBatch.objects.visible_to(request.user).select_related("created_by"), pk=batch_id
    )
    items = found.items.select_related("radiograph__study__patient").order_by("created_at", "id")
    shown = request.GET.get("show", "")
    if shown in Verdict.values:
        items = items.filter(verdict=shown)
    counted = summary.summarise(found, request.user)
    page = Paginator(items, ITEMS_PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = without_others(page.object_list, request.user)
    show_items(request, page)
    return {
        "batch": found,
        "summary": counted,
        "arrived": texts.arrived(counted),
        "failures": summary.failures(found),
        "missing": summary.lines_without_file(found),
        "place": waiting.place_of(found) if counted.waiting else None,
        "page": page,
        "analyses": waiting.analyses([each.radiograph_id for each in page]),
        "shown": shown,
        "counts": [(value, label, getattr(counted, value)) for value, label in Verdict.choices],
        "may_read": request.user.has_role(Role.RADIOLOGIST),
    }


@allow(*UPLOADERS)
@require_GET
def received(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The files of a batch received so far, as JSON, so that a browser sends only the rest."""
    found = get_object_or_404(UploadBatch.objects.visible_to(request.user), pk=batch_id)
    items = found.items.select_related("radiograph").only(
        "file_name",
        "size",
        "sha256",
        "verdict",
        "reason_code",
        "reason_params",
        "radiograph__study",
    )
    show_items(request, without_others(items, request.user))
    return JsonResponse({"items": [_as_json(item) for item in items]})


@allow(*UPLOADERS)
@require_POST
def upload(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Receive files and return their verdicts as JSON.

    The body is one file, and `X-File-Path` its path, percent-encoded; or it has several, and
    `X-List-Bytes` is the length of their list at its beginning. `X-Expected-Files` may give the
    total number of files.
    """
    found = get_object_or_404(UploadBatch.objects.visible_to(request.user), pk=batch_id)
    expected = request.headers.get("X-Expected-Files", "")
    if expected.isdecimal():
        services.announce(found, min(int(expected), _MOST_EXPECTED))
    path = unquote(request.headers.get("X-File-Path", ""))
    try:
        if path.lower().endswith(".zip"):
            # Before its body is read, which may be large.
            turns.refuse_if_no_turn(request.user)
        with body.received(request) as file:
            listed = request.headers.get("X-List-Bytes")
            files = [(path, file)] if listed is None else body.divided(file, listed)
            items = pipeline.receive_files(found, files, request.user)
    except IntakeError as reason:
        return _problem(reason)
    return JsonResponse({"items": [_as_json(item) for item in items]})


def _problem(reason: IntakeError) -> JsonResponse:
    answer = {"code": reason.code, "message": reason.message}
    headers = {"Retry-After": str(reason.retry_seconds)} if reason.retry_seconds else {}
    return JsonResponse(answer, status=reason.status, headers=headers)


def _as_json(item: UploadItem) -> dict[str, Any]:
    return {
        "file_name": item.file_name,
        "size": item.size,
        "sha256": item.sha256,
        "verdict": item.verdict,
        "reason_code": item.reason_code,
        "reason": str(item.reason),
    }
