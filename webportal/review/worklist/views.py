"""Views of the worklist: list and search."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from webportal.access.shown import show
from webportal.accounts.departments import departments_of
from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.inference.rounding import thresholds_of
from webportal.intake.file_names import file_names
from webportal.records import searches
from webportal.records.choices import Priority, ReadingState
from webportal.records.models import Study
from webportal.records.searches import stated_ages
from webportal.review.preferences import reads_first, results_are_open
from webportal.review.reads.blinding import (
    reads_without_model,
    studies_with_withheld_results,
)
from webportal.review.reads.corrections import studies_with_corrected_reads
from webportal.review.reads.headline import findings_of
from webportal.review.reads.reservation import reservations_of
from webportal.review.study.progress import progress_of, progress_without_job
from webportal.review.worklist.chips import chips_of
from webportal.review.worklist.columns import COLUMNS, DEFAULT, columns_for, offered_columns
from webportal.review.worklist.counts import Count, count_matches, tab_counts
from webportal.review.worklist.filters import (
    WorklistFilter,
    matching,
    order_of,
    readers,
    state_of,
)
from webportal.review.worklist.order import (
    EVERY_STATE,
    SECOND_READS,
    WorklistPage,
    default_order,
    orders_in,
    page_of,
)
from webportal.review.worklist.saved_views import (
    address_of,
    default_view,
    list_address,
    menu_of,
    open_view,
)

# Columns sortable by clicking their heading.
SORTED_BY = {
    "priority": "urgency",
    "result": "probability",
    "patient": "name",
    "patient_id": "patient_id",
    "waiting": "waiting",
}
# Those whose order begins with the most; the others begin with the least.
FALLING = ("priority", "result")
PLACES = ("after", "before")


@allow(Role.RADIOLOGIST)
@require_GET
def worklist(request: SignedInRequest) -> HttpResponse:
    """The worklist page, or for htmx only its tabs and table.

    Without parameters, redirects to the reader's default view.
    """
    live = "HX-Request" in request.headers
    default = None if request.GET or live else default_view(request.user)
    if default is not None:
        return redirect(address_of(default))
    people = list(readers(request.user))
    form = WorklistFilter(request.GET, people)
    chosen = form.chosen()
    text = searches.recall(request, chosen.get("search", ""))
    view = open_view(request.user, request.GET)
    state, own_columns = state_of(chosen), columns_for(request.user, view)
    columns = own_columns
    if state == EVERY_STATE and "state" not in columns:
        columns = [*columns, "state"]
    order = chosen.get("order", default_order(state))
    is_reading_first = reads_first(request.user)
    is_closed = is_reading_first and not results_are_open(request)
    studies = matching(chosen, text, request.user, is_closed=is_closed)
    page = _page(request, chosen, studies, columns, is_closed=is_closed)
    # Results of signed studies are never closed.
    is_closed &= state != ReadingState.SIGNED
    shows_results = state != SECOND_READS and not is_closed
    show(request, *page.studies, text=text)
    is_filtered = bool(text) or bool(set(chosen) - {"state", "order", "search"})
    counts = tab_counts(state, request.user)
    context: dict[str, Any] = {
        "form": form,
        "page": page,
        "rows": _rows(page, request.user, is_closed=is_closed),
        "columns": _headings(request, columns, order, state, is_closed=is_closed),
        "names": columns,
        # On narrow screens some default columns are hidden, chosen ones are not.
        "has_own_columns": set(columns) - {"state"} != set(DEFAULT),
        "state": state,
        "order": order,
        "tabs": _tabs(request, state, counts),
        "chips": [
            (chip, _address(request, **{chip.field: chip.next_value}))
            for chip in chips_of(
                chosen,
                text,
                request.user,
                counts,
                is_closed=is_closed,
                shows_results=shows_results,
            )
        ],
        "shows_results": shows_results,
        "is_closed": is_closed,
        "may_close": state != ReadingState.SIGNED and is_reading_first,
        "first_page": _address(request),
        "built_in": list_address(QueryDict()),
        "everywhere": _address(request, state=EVERY_STATE),
        "stat_left_out": _stat_left_out(chosen, request.user, counts, is_closed=is_closed),
        "all_stat": list_address(QueryDict(f"priority={Priority.STAT.value}")),
        "matches": count_matches(studies) if is_filtered else counts[state],
        "search_text": text,
        "is_filtered": is_filtered,
        "is_of_no_department": not page.studies and not departments_of(request.user).exists(),
        "query": request.GET.urlencode(),
    }
    if not live:
        context |= {
            "people": people,
            "orders": orders_in(state, is_closed=is_closed),
            "priorities": Priority.choices,
            "all_columns": offered_columns(own_columns),
            "view": view,
            "views": menu_of(request.user),
            "is_coordinator": request.user.has_role(Role.COORDINATOR),
        }
    template = "review/worklist/worklist_live.html" if live else "review/worklist/worklist.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@allow(Role.RADIOLOGIST)
@require_POST
def search(request: SignedInRequest) -> HttpResponse:
    """Store the search text and show the matches among the filtered studies."""
    query = QueryDict(request.META["QUERY_STRING"], mutable=True)
    for outdated in ("search", *PLACES):
        query.pop(outdated, None)
    key = searches.remember(request, request.POST.get("text", "")[: searches.LONGEST])
    if key:
        query["search"] = key
    return redirect(list_address(query))


def _page(
    request: SignedInRequest,
    chosen: dict[str, Any],
    studies: QuerySet[Study],
    columns: list[str],
    *,
    is_closed: bool,
) -> WorklistPage:
    """The page at the URL's cursor; the first one if nothing precedes it."""
    shown = studies.select_related("patient", "assigned_reader", "second_reading")
    if "images" in columns:
        shown = shown.prefetch_related("radiographs")
    order = order_of(chosen, is_closed=is_closed)
    after, before = (request.GET.get(name, "") for name in PLACES)
    known = Study.objects.visible_to(request.user)
    page = page_of(shown, order, after=after, before=before, known=known)
    if before and not page.previous:
        return page_of(shown, order)
    return page


def _stat_left_out(
    chosen: dict[str, Any], reader: User, counts: dict[str, Count], *, is_closed: bool
) -> int:
    """How many unread stat studies the filters leave out; a search is no filter.

    A view that opens with the worklist is soon taken for the worklist.
    """
    filters = {name: value for name, value in chosen.items() if name != "search"}
    if state_of(chosen) != ReadingState.UNREAD or not counts["stat"]:
        return 0
    if not set(filters) - {"state", "order"}:
        return 0
    shown = matching(filters, "", reader, is_closed=is_closed).filter(priority=Priority.STAT)
    return max(0, counts["stat"].number - shown.order_by().count())


def _rows(page: WorklistPage, reader: User, *, is_closed: bool) -> list[dict[str, Any]]:
    """What each row shows besides the study: signed finding, analysis progress, current reader."""
    ids = [study.pk for study in page.studies]
    ages = stated_ages(ids)
    progress, reservations = progress_of(ids), reservations_of(ids)
    thresholds = thresholds_of(ids)
    hidden = studies_with_withheld_results(reader, ids, is_open=not is_closed)
    corrected = studies_with_corrected_reads(reader, ids)
    unknown = [study.pk for study in page.studies if study.patient.is_temporary]
    files = file_names(unknown) if unknown else {}
    findings = findings_of(ids, reader)
    return [
        {
            "study": study,
            "progress": progress.get(study.pk) or progress_without_job(study),
            "reservation": reservations.get(study.pk),
            "hides_result": study.pk in hidden,
            "thresholds": thresholds.get(study.pk, {}),
            "is_corrected": study.pk in corrected,
            "files": files.get(study.pk, []),
            "patient_age": ages.get(study.pk, ""),
            "finding": findings.get(study.pk),
        }
        for study in page.studies
    ]


def _address(request: SignedInRequest, **changes: Any) -> str:
    """URL of the first page with changed filters; None removes a filter."""
    query = request.GET.copy()
    for name, value in {**dict.fromkeys(PLACES), **changes}.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = str(value)
    return list_address(query)


def _headings(
    request: SignedInRequest, columns: list[str], order: str, state: str, *, is_closed: bool
) -> list[dict[str, Any]]:
    """The columns with their headings; sortable ones have a URL."""
    offered = dict(orders_in(state, is_closed=is_closed))
    return [
        {
            "name": name,
            "label": gettext("Finding; model") if _is_of_signed(name, state) else COLUMNS[name],
            "address": _address(request, order=SORTED_BY[name])
            if SORTED_BY.get(name) in offered
            else "",
            "is_sorted": SORTED_BY.get(name) == order,
            "rises": name not in FALLING,
        }
        for name in columns
    ]


def _is_of_signed(column: str, state: str) -> bool:
    """Whether a column shows signed findings before the model's results."""
    return column == "result" and state in (ReadingState.SIGNED, EVERY_STATE)


def _tabs(request: SignedInRequest, state: str, counts: dict[str, Count]) -> list[dict[str, Any]]:
    """The reading states, each with its count and a URL that keeps only the search.

    Blinded readers have those studies on a separate tab, where the order reveals no result.
    """
    kept = {"search": request.GET["search"]} if request.GET.get("search") else {}
    labels = [*ReadingState.choices, (EVERY_STATE, gettext("All"))]
    if reads_without_model(request.user):
        labels.insert(1, (SECOND_READS, gettext("Second reads")))
    return [
        {
            "name": name,
            "label": label,
            "count": counts[name],
            "is_open": name == state,
            "address": reverse("review:worklist", query={"state": name, **kept}),
        }
        for name, label in labels
    ]
