"""The auditors' pages: reading, exporting and verifying the trail. Each use is itself audited."""

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit import runs
from webportal.audit.models import Action
from webportal.audit.search import TrailFilter, csv_lines, json_lines, page_of
from webportal.audit.trail import Event, append

FORMATS = {"csv": (csv_lines, "text/csv"), "jsonl": (json_lines, "application/jsonl")}


@allow(Role.AUDITOR)
@require_safe
def trail(request: SignedInRequest) -> HttpResponse:
    """A page of the trail, newest first, by filter."""
    form = TrailFilter(request.GET)
    if not form.is_valid():
        return render(request, "audit/trail.html", {"form": form}, status=400)
    page = page_of(form.entries(), request.GET.get("before", ""))
    append(Event(Action.AUDIT_VIEWED, detail=form.used()), request.user)
    context = {
        "form": form,
        "page": page,
        "used": form.used(),
        "verification": runs.latest(),
    }
    return render(request, "audit/trail.html", context)


@allow(Role.AUDITOR)
@require_safe
def export(request: SignedInRequest) -> HttpResponseBase:
    """All matching entries, as a streamed file."""
    form = TrailFilter(request.GET)
    file_format = request.GET.get("format", "csv")
    if not form.is_valid() or file_format not in FORMATS:
        return render(request, "audit/trail.html", {"form": form}, status=400)
    entry = append(
        Event(Action.AUDIT_EXPORTED, detail={**form.used(), "format": file_format}), request.user
    )
    lines, media_type = FORMATS[file_format]
    # An export ends before the entry that records it, however long the transfer takes.
    entries = form.entries().filter(sequence__lt=entry.sequence)
    response = StreamingHttpResponse(lines(entries), content_type=f"{media_type}; charset=utf-8")
    name = f"audit-trail-{timezone.now():%Y-%m-%d-%H%M}.{file_format}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@allow(Role.AUDITOR)
@require_POST
def verify_now(request: SignedInRequest) -> HttpResponse:
    """Request a verification, which the scheduler runs; the page shows its progress."""
    runs.request(request.user)
    return redirect("audit:trail")


@allow(Role.AUDITOR)
@require_safe
def verification(request: SignedInRequest) -> HttpResponse:
    """The progress or outcome of the verification requested last."""
    return render(request, "audit/verification.html", {"verification": runs.latest()})
