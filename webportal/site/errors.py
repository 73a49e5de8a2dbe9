"""Error pages; under /api/ the same errors as Problem Details."""

import sys
from collections.abc import Callable
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views import defaults

from webportal.api.problems import problem_json
from webportal.programs import is_for_programs

RETRY_SECONDS = 5


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400."""
    if is_for_programs(request.path):
        return problem_json(HTTPStatus.BAD_REQUEST, "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: say that the role is missing, and where to go."""
    return render(request, "403.html", status=HTTPStatus.FORBIDDEN)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404."""
    if is_for_programs(request.path):
        detail = "There is nothing at this address; see /api/v1/openapi.yaml for what exists."
        return problem_json(HTTPStatus.NOT_FOUND, detail)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500, or 503 while the database does not respond."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _database_away(request)
    if is_for_programs(request.path):
        detail = "Something went wrong on our side. Try again, or tell hospital IT the time."
        return problem_json(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
    return defaults.server_error(request)


def render_405_page(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: show a page instead of an empty 405 at URLs that only accept POST."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or response.content:
            return response
        if request.method == "GET" and not is_for_programs(request.path):
            response.content = render_to_string("405.html").encode()
        return response

    return middleware


def _database_away(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase
    if is_for_programs(request.path):
        detail = (
            "The database is not responding. What was stored before is safe; try again in a moment."
        )
        response = problem_json(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    else:
        # Without the request, because its user cannot be looked up now.
        is_form = request.method not in ("GET", "HEAD")
        page = render_to_string("503.html", {"is_form": is_form})
        response = HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    response.headers["Cache-Control"] = "no-store"
    return response
