"""Errors as Problem Details (RFC 9457): what happened, and what to do."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.forms import BaseForm
from django.http import JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler

from webportal.refusals import Refusal

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:chestline:problem:"

# Advice for programs that the message for people does not contain.
ADVICE = {
    "identity_signed": "Corrections are made with POST /patients/{id}/correct, and with POST"
    " /studies/{id}/correct-patient for a study that belongs to another person.",
}


class ProblemError(serializers.Serializer[Any]):
    """What is wrong with one value of the request."""

    pointer = serializers.CharField(help_text="JSON Pointer to the value, as a URI fragment.")
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """Problem Details (RFC 9457)."""

    type = serializers.CharField(help_text="`urn:chestline:problem:` and the kind of problem.")
    title = serializers.CharField(help_text="The reason phrase of the HTTP status.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What happened and what to do, for people.")
    errors = ProblemError(many=True, required=False)  # type: ignore[assignment]


def problem_response(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception into `application/problem+json`; None for an internal error."""
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
        detail = "Some values are not valid; see errors."
        problem = _response(HTTPStatus.BAD_REQUEST, "invalid", detail, _flatten(exc.detail))
    else:
        status = HTTPStatus(response.status_code)
        # Django's own Http404 and PermissionDenied have no message for people.
        words: Any = getattr(exc, "detail", "") or response.data["detail"]
        problem = _response(status, getattr(words, "code", status.name.lower()), str(words))
    for name in ("WWW-Authenticate", "Retry-After", "Allow"):
        if name in response.headers:
            problem.headers[name] = response.headers[name]
    return problem


def form_problem(form: BaseForm) -> exceptions.ValidationError:
    """The errors of a Django form, for endpoints that share a page's form."""
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


def problem_json(status: HTTPStatus, detail: str, code: str = "") -> JsonResponse:
    """The same for a request that reached no view of the API."""
    body = _body(status, code or status.name.lower(), detail)
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE)


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
