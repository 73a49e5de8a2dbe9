"""The pages of a batch's results."""

import uuid

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from webportal.accounts.models import Role, User
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.purpose.reasons import in_short
from webportal.intake.models import UploadBatch, Verdict
from webportal.labels import label_of
from webportal.records.choices import Priority, ReadingState
from webportal.records.models import Patient
from webportal.review.batches import exports, results
from webportal.review.batches.exports import DISCLAIMER, Export
from webportal.review.preferences import results_are_open

ROWS_PER_PAGE = 200
COLUMNS = [
    ("file", _("File")),
    ("verdict", _("Verdict")),
    ("patient", _("Patient")),
    ("date", _("Study")),
    ("priority", _("Priority")),
    ("read", _("Read")),
    ("result", _("Model result")),
]


@allow(*UPLOADERS)
@require_GET
def batch_results(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The outcome of each file of a batch, in the chosen order."""
    batch = get_object_or_404(
        UploadBatch.objects.visible_to(request.user).select_related("created_by"), pk=batch_id
    )
    sort = request.GET.get("sort", "result")
    items = results.items_of(batch, request.user, sort, is_open=results_are_open(request))
    page = Paginator(items, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    rows = list(results.rows(page.object_list, request.user))  # type: ignore[arg-type]
    results.show_rows(request, rows)
    columns = [each for each in COLUMNS if each[0] != "result" or _may_know(request)]
    context = {
        "batch": batch,
        "page": page,
        "rows": [_shown(row) for row in rows],
        "columns": [
            {"key": key, "label": label, "next": f"-{key}" if sort == key else key}
            | {"direction": {key: "ascending", f"-{key}": "descending"}.get(sort, "none")}
            for key, label in columns
        ],
        "shows_results": _may_know(request),
        "may_read": request.user.has_role(Role.RADIOLOGIST),
        "disclaimer": DISCLAIMER,
    }
    return render(request, "review/batches/batch_results.html", context)


def _may_know(request: SignedInRequest) -> bool:
    return results.shows_results(request.user)


def _shown(row: results.FileRow) -> dict[str, object]:
    return {
        "row": row,
        "patient": Patient(name=row.patient_name, patient_id=row.patient_id).display_name,
        "priority": "" if row.priority is None else Priority(row.priority).label,
        "verdict": label_of(Verdict, row.verdict),
        "result": exports.describe_result(row),
        "doubts": in_short(row.purpose_reasons),
        "read": label_of(ReadingState, row.reading_state) if row.reading_state else "",
    }


@allow(*UPLOADERS)
@require_GET
def batch_csv(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The results as a CSV file; the export is audited."""
    batch = get_object_or_404(UploadBatch.objects.visible_to(request.user), pk=batch_id)
    return csv_response(_export(request, batch, "csv"))


@allow(*UPLOADERS)
@require_GET
def batch_pdf(request: SignedInRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The results as a PDF file; the export is audited."""
    batch = get_object_or_404(UploadBatch.objects.visible_to(request.user), pk=batch_id)
    chosen = _export(request, batch, "pdf")
    # Imported lazily: PDF libraries and font tables take a fifth of the process's memory.
    from webportal.review.batches.pdf import as_pdf

    return _download(as_pdf(chosen), "application/pdf", f"chestline-{batch.pk}.pdf")


def _export(request: SignedInRequest, batch: UploadBatch, kind: str) -> Export:
    sort, is_open = request.GET.get("sort", ""), results_are_open(request)
    chosen = export(batch, request.user, kind, sort, is_open=is_open)
    results.show_rows(request, chosen.rows)
    return chosen


def export(
    batch: UploadBatch, by: User, kind: str, sort: str = "", *, is_open: bool = False
) -> Export:
    """Collect the rows of a batch that a person may export, and audit the export.

    `is_open` is that of `withheld_results`.
    """
    items = results.items_of(batch, by, sort, is_open=is_open)
    rows = list(results.rows(items, by, only_final=True))
    detail = {"kind": kind, "files": len(rows)}
    append(Event(Action.BATCH_EXPORTED, "batch", batch.pk, detail=detail), by)
    return Export(batch, rows, results.shows_results(by), str(by))


def csv_response(chosen: Export) -> HttpResponse:
    """The CSV file as an HTTP response."""
    text = exports.as_csv(chosen)
    # Spreadsheets recognise UTF-8 by the byte order mark.
    data = b"\xef\xbb\xbf" + text.encode()
    return _download(data, "text/csv; charset=utf-8", f"chestline-{chosen.batch.pk}.csv")


def _download(data: bytes, content_type: str, name: str) -> HttpResponse:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(data, content_type=content_type, headers=disposition)
