"""The pages of a report, and a referring clinician's list of reports."""

import uuid

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from ml.errors import ImageError
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS, SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.files import StoredFileError
from webportal.records.models import Study
from webportal.review.reports.content import Report, may_open, report_of, reports_for
from webportal.review.reports.key_image import key_image_png
from webportal.review.reports.lines import facts, signatures

READERS = (*UPLOADERS, Role.REFERRER)
REPORTS_PER_PAGE = 50


@allow(Role.REFERRER)
@require_GET
def reports(request: SignedInRequest) -> HttpResponse:
    """The reports on the patients referred by this clinician."""
    page = Paginator(reports_for(request.user), REPORTS_PER_PAGE).get_page(request.GET.get("page"))
    show(request, *page)
    return render(request, "review/reports/list.html", {"page": page})


@allow(*READERS)
@require_GET
def report(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """The report of a study on one page, laid out for printing."""
    study, found = _find(request, study_id)
    if found is None:
        return _not_ready(request, study)
    _record(request, found, "page")
    context = {"report": found, "facts": facts(found), "signatures": signatures(found)}
    return render(request, "review/reports/report.html", context)


@allow(*READERS)
@require_GET
def report_pdf(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """The report as a PDF."""
    study, found = _find(request, study_id)
    if found is None:
        return _not_ready(request, study)
    from webportal.review.reports.pdf import as_pdf

    _record(request, found, "pdf")
    name = f"chestline-report-{found.study.pk}.pdf"
    return HttpResponse(
        as_pdf(found, _picture(found)),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@allow(*READERS)
@require_GET
def key_image(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """The key image of a report."""
    _, found = _find(request, study_id)
    picture = _picture(found) if found else None
    if picture is None:
        return HttpResponse(status=404)
    show(request, study_ids=[study_id])
    return HttpResponse(picture, content_type="image/png")


def _find(request: SignedInRequest, study_id: uuid.UUID) -> tuple[Study, Report | None]:
    """Return a study and its report; raises PermissionDenied for those who may not open it."""
    # Checked even without a report: an unsigned study reveals nothing to other clinicians.
    study = get_object_or_404(
        Study.objects.visible_to(request.user).select_related("patient"), pk=study_id
    )
    only_own = not request.user.has_role(*UPLOADERS)
    if only_own and study.referrer_id != request.user.pk:
        raise PermissionDenied
    found = report_of(study)
    if found is not None and not may_open(request.user, found):
        raise PermissionDenied
    return study, found


def _not_ready(request: SignedInRequest, study: Study) -> HttpResponse:
    show(request, study)
    return render(request, "review/reports/none_yet.html", {"study": study}, status=404)


def _picture(found: Report) -> bytes | None:
    if found.key_image is None:
        return None
    try:
        return key_image_png(found.key_image, found.marks, found.measured)
    except (StoredFileError, ImageError):
        return None


def _record(request: SignedInRequest, found: Report, form: str) -> None:
    study = found.study
    detail = {"form": form, "read": str(found.read.pk)}
    append(Event(Action.REPORT_OPENED, "study", study.pk, study.pk, detail), request.user)
    show(request, study)
