"""The page of a person's exports, and their files."""

import uuid
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from webportal.access.shown import show
from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.records.models import Study
from webportal.research import services
from webportal.research.forms import ExportForm
from webportal.research.models import Removal, ResearchExport, ResearchExportState
from webportal.research.reasons import FAILURES, REASONS

EXPORTS_PER_PAGE = 20


@allow(Role.RESEARCHER)
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: SignedInRequest) -> HttpResponse:
    """The person's exports, and the form that requests one."""
    form = ExportForm(request.POST or None, person=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            services.request(form.save(commit=False), request.user)
        except services.ResearchError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Requested. It is being made in the background."))
            return redirect("research:exports")
    own = ResearchExport.objects.filter(requested_by=request.user).select_related("department")
    page = Paginator(own, EXPORTS_PER_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "form": form,
        "page": page,
        "rows": [_row(export, request.user) for export in page],
        "most": services.MOST_STUDIES,
        "days": settings.RESEARCH_EXPORT_DAYS,
    }
    return render(request, "research/exports.html", context)


def _row(export: ResearchExport, person: User) -> dict[str, Any]:
    return {
        "to_look_at": _to_look_at(export, person),
        "export": export,
        "is_open": export.state in (ResearchExportState.WAITING, ResearchExportState.BUILDING),
        "failure": FAILURES.get(export.failure, ""),
        "left_out": [(REASONS.get(code, code), n) for code, n in sorted(export.left_out.items())],
    }


def _to_look_at(export: ResearchExport, person: User) -> list[UUID]:
    """The studies of images with text, for people who may open them."""
    if not (export.with_text and person.is_radiologist):
        return []
    seen = Study.objects.visible_to(person).filter(radiographs__in=export.with_text)
    return list(seen.order_by("pk").distinct().values_list("pk", flat=True))


@allow(Role.RESEARCHER)
@require_GET
def download(request: SignedInRequest, export_id: uuid.UUID) -> HttpResponseBase:
    """The ZIP file of one of one's own exports."""
    export = get_object_or_404(ResearchExport, pk=export_id, requested_by=request.user)
    try:
        file, studies = services.open_file(export, request.user)
    except services.ResearchError as error:
        return _refused(request, str(error))
    show(request, *Study.objects.visible_to(request.user).filter(pk__in=studies))
    name = services.file_name(export)
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


def _refused(request: SignedInRequest, words: str) -> HttpResponse:
    show(request)
    messages.error(request, words)
    return redirect("research:exports")


@allow(Role.RESEARCHER)
@require_POST
def remove(request: SignedInRequest, export_id: uuid.UUID) -> HttpResponse:
    """Remove the file of one of one's own exports, or give up an unfinished one."""
    export = get_object_or_404(ResearchExport, pk=export_id, requested_by=request.user)
    services.remove(export, Removal.BY_PERSON, request.user)
    messages.success(request, _("Removed."))
    return redirect("research:exports")
