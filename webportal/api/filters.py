"""Strict filters: unknown names and values are refused with a problem."""

from datetime import UTC, datetime, timedelta
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.views import APIView

YES_OR_NO = ("true", "false")
# With this, a caller who reads first asks for results that are closed until they have signed.
OPENING, OPEN = "results", "open"
FARTHEST_ZONE = timedelta(hours=14)
PAGES = ("page", "page_size", "cursor")


class MomentField(IsoDateTimeField):
    """An ISO 8601 time with a possible UTC offset: the database rejects others."""

    def to_python(self, value: Any) -> datetime | None:
        """Return the moment in UTC; raises ValidationError."""
        moment: datetime | None = super().to_python(value)
        if moment is None:
            return None
        offset = moment.utcoffset() or timedelta()
        if abs(offset) > FARTHEST_ZONE:
            raise forms.ValidationError(
                "No time zone has an offset from UTC this large.", code="invalid"
            )
        try:
            return moment.astimezone(UTC)
        except OverflowError as error:
            raise forms.ValidationError("The year is out of range.", code="invalid") from error


class MomentFilter(django_filters.IsoDateTimeFilter):
    """Filters a list by a time."""

    field_class = MomentField


class StrictFilters(DjangoFilterBackend):
    """Filters a list, and refuses unknown parameters and values.

    A list that ignored a misspelt filter would show everything as if it matched.
    """

    def filter_queryset(self, request: Any, queryset: QuerySet[Any], view: Any) -> Any:
        """Return the matching rows; raises ValidationError for an unknown name or value."""
        filterset = self.get_filterset_class(view, queryset)
        filters = filterset.base_filters if filterset else {}
        known = {*filters, *PAGES, *(["ordering"] if _is_ordered(view) else [])}
        if view.action in getattr(view, "opens_results", ()):
            known.add(OPENING)
        problems: dict[str, Any] = {
            name: [_unknown_name(known)] for name in request.query_params if name not in known
        }
        if request.query_params.get(OPENING, OPEN) != OPEN:
            problems[OPENING] = [ErrorDetail(f"Write {OPEN}, or leave it out.", "invalid_choice")]
        for name, each in filters.items():
            value = request.query_params.get(name, "")
            is_switch = isinstance(each, django_filters.BooleanFilter)
            if is_switch and value and value.lower() not in YES_OR_NO:
                problems[name] = [ErrorDetail("Write true or false.", "invalid_choice")]
        if problems:
            raise ValidationError(problems)
        return super().filter_queryset(request, queryset, view)


def _is_ordered(view: APIView) -> bool:
    # Only complete lists can be sorted by the caller; see StableOrdering.
    backends = getattr(view, "filter_backends", [])
    return any(hasattr(backend, "ordering_param") for backend in backends)


def _unknown_name(known: set[str]) -> ErrorDetail:
    return ErrorDetail(
        f"There is no filter of this name. Known filters: {', '.join(sorted(known))}.",
        "unknown_filter",
    )
