"""Lists that can be filtered by the state of their rows, such as the inbox and the outbox."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, QuerySet, TextChoices
from django.http import HttpRequest

ROWS_PER_PAGE = 50


def filtered_by_state(
    request: HttpRequest, rows: "QuerySet[Any]", states: type[TextChoices]
) -> dict[str, Any]:
    """Return the context of such a list: `page`, the chosen `state`, and `states` with counts.

    The query parameters are `state` and `page`; a state that does not exist filters nothing. See
    state_filter.html.
    """
    state = request.GET.get("state", "")
    counts = dict(rows.order_by().prefetch_related(None).values_list("state").annotate(Count("pk")))
    chosen = rows.filter(state=state) if state in states.values else rows
    return {
        "page": Paginator(chosen, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "states": [(each, counts.get(each.value, 0)) for each in states],
        "state": state,
    }
