"""Errors as Problem Details (RFC 9457): what happened, and what to do."""

import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler

from webportal.refusals import Refusal

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:chestline:problem:"
RETRY_SECONDS = 5

# What a program can do that the words for people do not tell.
ADVICE = {
    "identity_signed": "Corrections are made with POST /patients/{id}/correct, and with POST"
    " /studies/{id}/correct-patient for a study that is another person's.",
}


class ProblemError(serializers.Serializer[Any]):
    """What is wrong with one value of the request."""

    pointer = serializers.CharField(help_text="JSON Pointer to the value, as a URI fragment.")
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """Problem Details (RFC 9457)."""

    type = serializers.CharField(help_text="`urn:chestline:problem:` and the kind of problem.")
    title = serializers.CharField(help_text="The HTTP status in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What happened and what to do, for people.")
    errors = ProblemError(many=True, required=False)  # type: ignore[assignment]


def problem_response(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception into `application/problem+json`; None for a fault of ours."""
    if isinstance(exc, Refusal):
        detail = f"{exc.message} {ADVICE.get(exc.code, '')}".rstrip()
        refused = _response(exc.status, exc.code, detail)
        if exc.retry_seconds:
            refused.headers["Retry-After"] = str(exc.retry_seconds)
        return refused
    if isinstance(exc, DjangoValidationError):
        exc = exceptions.ValidationError(serializers.as_serializer_error(exc))
    response = exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, exceptions.ValidationError):
        detail = "Some values are not as they must be; see errors."
        problem = _response(HTTPStatus.BAD_REQUEST, "invalid", detail, _flatten(exc.detail))
    else:
        status = HTTPStatus(response.status_code)
        # Django's own Http404 and PermissionDenied carry no words for people.
        words: Any = getattr(exc, "detail", "") or response.data["detail"]
        problem = _response(status, getattr(words, "code", status.name.lower()), str(words))
    for name in ("WWW-Authenticate", "Retry-After", "Allow"):
        if name in response.headers:
            problem.headers[name] = response.headers[name]
    return problem


def form_problem(form: BaseForm) -> exceptions.ValidationError:
    """The errors of a Django form, for those endpoints whose rules are a page's."""
    return exceptions.ValidationError(
        {
            "" if field == "__all__" else field: [
                exceptions.ErrorDetail(error["message"], error["code"] or "invalid")
                for error in errors
            ]
            for field, errors in form.errors.get_json_data().items()
        }
    )


def _response(
    status: HTTPStatus, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> Response:
    body = _body(status, code, detail) | ({"errors": errors} if errors else {})
    return Response(body, status=status, content_type=MEDIA_TYPE)


def _body(status: HTTPStatus, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": TYPE + code.replace("_", "-"),
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }


def _flatten(detail: Any, path: str = "#") -> list[dict[str, str]]:
    if isinstance(detail, dict):
        parts = [
            _flatten(part, path if name in ("", "non_field_errors") else f"{path}/{name}")
            for name, part in detail.items()
        ]
        return [error for part in parts for error in part]
    if isinstance(detail, list):
        found = []
        for number, part in enumerate(detail):
            is_text = isinstance(part, str)
            found += _flatten(part, path if is_text else f"{path}/{number}")
        return found
    return [{"pointer": path, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}]


# ── What Django answers where no view of the API was reached ────────────────────────────────────


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400, as a problem under /api/."""
    detail = "The request cannot be understood."
    return _api_problem(request, HTTPStatus.BAD_REQUEST, detail) or defaults.bad_request(
        request, exception
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404, as a problem under /api/."""
    detail = "There is nothing at this address; /api/v1/openapi.yaml lists what there is."
    return _api_problem(request, HTTPStatus.NOT_FOUND, detail) or defaults.page_not_found(
        request, exception
    )


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500, or 503 while the database does not answer; as a problem under /api/."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _database_away(request)
    detail = "Something went wrong on our side. Try again, or tell hospital IT the time."
    return _api_problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail) or defaults.server_error(
        request
    )


def render_405_page(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Show a page, not an empty 405, at addresses that only take what a form sends."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or response.content:
            return response
        if request.method == "GET" and not request.path.startswith("/api/"):
            response.content = render_to_string("405.html").encode()
        return response

    return middleware


def _database_away(request: HttpRequest) -> HttpResponseBase:
    detail = (
        "The database is not responding. What was stored before is safe; try again in a moment."
    )
    response = _api_problem(request, HTTPStatus.SERVICE_UNAVAILABLE, detail) or HttpResponse(
        # Without the request: whoever it is from cannot be looked up now.
        render_to_string("503.html", {"is_form": request.method not in ("GET", "HEAD")}),
        status=HTTPStatus.SERVICE_UNAVAILABLE,
    )
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    response.headers["Cache-Control"] = "no-store"
    return response


def _api_problem(request: HttpRequest, status: HTTPStatus, detail: str) -> HttpResponse | None:
    if not request.path.startswith("/api/"):
        return None
    body = _body(status, status.name.lower(), detail)
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE)
