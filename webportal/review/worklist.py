"""The worklist: which studies, in which order, and the pages that show it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference.models import JobState
from webportal.records import searches
from webportal.records.models import Category, Concern, Priority, ReadingState, Study
from webportal.review.progress import NOTHING, in_state, progress_of

STUDIES_PER_PAGE = 50
# As the index `study_worklist` has it: the most urgent first, among them the worst, among them
# those that wait longest.
URGENCY = ("priority", "concern", "created_at", "id")

QUEUE_STATES = [
    (JobState.QUEUED.value, "In the queue"),
    (JobState.RUNNING.value, "Being analysed"),
    (JobState.QUARANTINED.value, "Model gave up"),
    (JobState.CANCELLED.value, "Cancelled"),
]


class WorklistFilter(forms.Form):
    """What the address may say about the studies to show."""

    state = forms.ChoiceField(choices=[*ReadingState.choices, ("all", "All")], required=False)
    category = forms.ChoiceField(
        choices=[("", "Any result"), *Category.choices, ("none", "No result yet")], required=False
    )
    priority = forms.TypedChoiceField(
        choices=[("", "Any priority"), *Priority.choices],
        required=False,
        coerce=int,
        empty_value=None,
    )
    queue = forms.ChoiceField(choices=[("", "Any progress"), *QUEUE_STATES], required=False)
    since = forms.DateField(
        label="Received from", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label="Received until", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    search = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_select = isinstance(field.widget, forms.Select)
            style = "form-select form-select-sm" if is_select else "form-control form-control-sm"
            field.widget.attrs["class"] = style

    def chosen(self) -> dict[str, Any]:
        """Return the values that are valid; what is not counts as not given."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


def select_studies(chosen: dict[str, Any], text: str) -> QuerySet[Study]:
    """Return the studies that match, the most urgent first; unread ones unless chosen otherwise."""
    studies = Study.objects.select_related("patient")
    state = chosen.get("state", ReadingState.UNREAD)
    if state != "all":
        studies = studies.filter(reading_state=state)
    if "category" in chosen:
        no_result = chosen["category"] == "none"
        studies = studies.filter(
            concern=Concern.NO_RESULT if no_result else Concern[chosen["category"].upper()]
        )
    if "priority" in chosen:
        studies = studies.filter(priority=chosen["priority"])
    if "queue" in chosen:
        studies = studies.filter(in_state(chosen["queue"]))
    if "since" in chosen:
        studies = studies.filter(created_at__date__gte=chosen["since"])
    if "until" in chosen:
        studies = studies.filter(created_at__date__lte=chosen["until"])
    for word in text.replace(",", " ").split():
        studies = studies.filter(
            Q(patient__name__icontains=word)
            | Q(patient__patient_id__icontains=word)
            | Q(accession_number__istartswith=word)
        )
    # Among all studies, those that nobody has read come first.
    return studies.order_by(*(["-reading_state"] if state == "all" else []), *URGENCY)


def most_urgent_unread() -> Study | None:
    """Return the study to read next."""
    return Study.objects.filter(reading_state=ReadingState.UNREAD).order_by(*URGENCY).first()


@allow(Role.RADIOLOGIST)
@require_GET
def worklist(request: SignedInRequest) -> HttpResponse:
    """The worklist, or for htmx only its table."""
    form = WorklistFilter(request.GET)
    chosen = form.chosen()
    text = searches.recall(request, chosen.get("search", ""))
    studies = select_studies(chosen, text).prefetch_related("radiographs")
    page = Paginator(studies, STUDIES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": _rows(page),
        "state": chosen.get("state", ReadingState.UNREAD),
        "counts": _counts(),
        "search_text": text,
        "is_filtered": bool(set(chosen) - {"state"}),
    }
    live = "HX-Request" in request.headers
    template = "review/worklist_table.html" if live else "review/worklist.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@allow(Role.RADIOLOGIST)
@require_POST
def search(request: SignedInRequest) -> HttpResponse:
    """Keep the text that was searched for and show what it finds among the chosen studies."""
    query = QueryDict(request.META["QUERY_STRING"], mutable=True)
    for outdated in ("search", "page"):
        query.pop(outdated, None)
    key = searches.remember(request, request.POST.get("text", ""))
    if key:
        query["search"] = key
    return redirect(reverse("review:worklist", query=query))


@allow(Role.RADIOLOGIST)
@require_GET
def next_study(request: SignedInRequest) -> HttpResponse:
    """Open the study to read next."""
    study = most_urgent_unread()
    if study is None:
        messages.success(request, "There is nothing left to read.")
        return redirect("review:worklist")
    return redirect("review:study", study.pk)


def _rows(page: Page[Study]) -> list[dict[str, Any]]:
    progress = progress_of([study.pk for study in page])
    return [{"study": study, "progress": progress.get(study.pk, NOTHING)} for study in page]


def _counts() -> dict[str, int]:
    """How many studies are unread, in all and by their result."""
    unread = Study.objects.filter(reading_state=ReadingState.UNREAD)
    return unread.aggregate(
        unread=Count("pk"),
        stat=Count("pk", filter=Q(priority=Priority.STAT)),
        **{
            concern.name.lower(): Count("pk", filter=Q(concern=concern.value))
            for concern in Concern
        },
    )
