"""Who has seen this patient: auditors' pages of the access log, each view of which is logged."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from webportal.access.models import AccessEntry
from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.search import page_of
from webportal.audit.trail import Event, append
from webportal.auditing.accesses import AccessFilter, csv_lines, groups_of
from webportal.auditing.subjects import Subject, find_subjects, subject_of
from webportal.records import searches
from webportal.records.models import Patient, Study


@dataclass(frozen=True)
class LogQuery:
    """An auditor's query of the log: the subject, and the filters."""

    form: AccessFilter
    subject: Subject | None

    @property
    def entries(self) -> QuerySet[AccessEntry]:
        """The matching entries."""
        return self.form.entries(self.subject.entries() if self.subject else None)


@allow(Role.AUDITOR)
@require_safe
def accesses(request: SignedInRequest) -> HttpResponse:
    """Who was shown a patient, grouped by user; or individual entries of the log."""
    text = searches.recall(request, request.GET.get("search", ""))
    found = find_subjects(text)
    show(request, patient_ids=[each.pk for each in found], text=text)
    asked = _question(request, found[0] if len(found) == 1 else None)
    context = {"form": asked.form, "text": text, "found": found, "subject": asked.subject}
    if not asked.form.is_valid():
        return render(request, "audit/accesses.html", context, status=400)
    _record(request, Action.ACCESS_VIEWED, asked)
    is_single = asked.subject is None or bool(asked.form.used().get("kind"))
    if asked.subject is not None:
        context["groups"] = groups_of(asked.entries)
    if is_single and (asked.subject is not None or not text):
        page = page_of(asked.entries, request.GET.get("before", ""))
        context["page"] = page
        context["patients"] = _patients_of(request, page.entries)
    return render(request, "audit/accesses.html", context | {"used": asked.form.used()})


@allow(Role.AUDITOR)
@require_POST
def search(request: SignedInRequest) -> HttpResponse:
    """Keep the search terms in the session, and show the matches."""
    key = searches.remember(request, request.POST.get("text", "")[: searches.LONGEST])
    names = AccessFilter.base_fields
    kept = {name: request.POST[name] for name in names if request.POST.get(name)}
    return redirect(reverse("audit:accesses", query=kept | ({"search": key} if key else {})))


@allow(Role.AUDITOR)
@require_safe
def export(request: SignedInRequest, file_format: str) -> HttpResponseBase:
    """All matching entries, as CSV or as a PDF for the patient."""
    asked = _question(request)
    show(request)
    if not asked.form.is_valid() or file_format not in ("csv", "pdf"):
        context = {"form": asked.form, "subject": asked.subject}
        return render(request, "audit/accesses.html", context, status=400)
    _record(request, Action.ACCESS_EXPORTED, asked, file_format)
    name = f"access-log-{timezone.now():%Y-%m-%d-%H%M}.{file_format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if file_format == "csv":
        lines = csv_lines(asked.entries)
        return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
    # Imported lazily: PDF libraries and font tables take a fifth of the process's memory.
    from webportal.auditing.access_pdf import as_pdf

    data = as_pdf(asked.entries, asked.subject, asked.form.used(), str(request.user))
    return HttpResponse(data, content_type="application/pdf", headers=headers)


def _question(request: SignedInRequest, only: Patient | None = None) -> LogQuery:
    """The query in the URL; `only` is the single patient matching the search terms."""
    given = request.GET.get("patient", "")
    patient = only
    if given:
        patient = get_object_or_404(Patient, pk=given) if _is_uuid(given) else None
    if patient is not None:
        show(request, patient_ids=[patient.pk])
    return LogQuery(AccessFilter(request.GET), subject_of(patient) if patient else None)


def _record(
    request: SignedInRequest, action: Action, asked: LogQuery, file_format: str = ""
) -> None:
    """Record in the trail that the log was read."""
    patient = asked.subject.patient.pk if asked.subject else ""
    detail = asked.form.used() | ({"format": file_format} if file_format else {})
    append(Event(action, "patient" if patient else "", patient, detail=detail), request.user)


def _patients_of(request: SignedInRequest, entries: list[AccessEntry]) -> dict[int, Patient]:
    """The patients of those entries that concern a single one, by the entry's id."""
    own = {each.pk: each.patient_ids[0] for each in entries if len(each.patient_ids) == 1}
    of_study = {
        each.pk: each.study_ids[0]
        for each in entries
        if not each.patient_ids and len(each.study_ids) == 1
    }
    studies = Study.objects.in_bulk(of_study.values())
    own |= {key: studies[study].patient_id for key, study in of_study.items() if study in studies}
    patients = Patient.objects.in_bulk(own.values())
    show(request, patient_ids=patients)
    return {key: patients[patient] for key, patient in own.items() if patient in patients}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
