"""Pagination and ordering of lists."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class _NullLinks:
    """Describes the links as nullable in the way of OpenAPI 3.1."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A page; the links of the first and last page are null."""
        page: dict[str, Any] = super().get_paginated_response_schema(schema)  # type: ignore[misc]
        for name in ("next", "previous"):
            page["properties"][name] = {"type": ["string", "null"], "format": "uri"}
        return page | {"required": list(page["properties"])}


class Pages(_NullLinks, PageNumberPagination):
    """`?page=` and `?page_size=`, at most 500 a page."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500


class TrailPages(_NullLinks, CursorPagination):
    """Pages of the audit trail, newest first; `next` and `previous` link to more."""

    ordering = "-sequence"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Any:
        """The position given in the URL; raises NotFound if it is not one that a page gave out."""
        cursor = super().decode_cursor(request)
        position = cursor.position if cursor else None
        if position is not None and not re.fullmatch("[0-9]{1,18}", str(position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class StableOrdering(OrderingFilter):
    """`?ordering=` with the id as last key, so that no row is on two pages or on none."""

    def get_ordering(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> Sequence[str] | None:
        """The requested or default order; raises ValidationError for an unknown one."""
        fields = [name.strip() for name in request.query_params.get("ordering", "").split(",")]
        wanted = [name for name in fields if name]
        known = self.remove_invalid_fields(queryset, wanted, view, request)
        if len(known) < len(wanted):
            valid = self.get_valid_fields(queryset, view, {"request": request})
            names = ", ".join(name for name, _ in valid)
            detail = f"Sort by one of: {names}; a minus sign sorts in descending order."
            raise ValidationError({"ordering": [ErrorDetail(detail, "unknown_ordering")]})
        ordering = super().get_ordering(request, queryset, view)
        by = getattr(view, "ordered_by", {})
        known = [_renamed(name, by) for name in ordering or ()]
        return [*known, "pk"] if known else None


def _renamed(name: str, ordered_by: Mapping[str, str]) -> str:
    """Return the database column for an API field that has another name."""
    sign, field = ("-", name[1:]) if name.startswith("-") else ("", name)
    return sign + ordered_by.get(field, field)
