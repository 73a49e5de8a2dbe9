"""Reports by browsers of what the Content-Security-Policy blocked: one log line each."""

import json
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from webportal import logs

logger = logging.getLogger(__name__)

# Anybody can send a report, and write anything into it: only these words are logged.
_DIRECTIVES = frozenset(
    f"{kind}-src{part}" for kind in ("script", "style") for part in ("", "-elem", "-attr")
) | {
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "worker-src",
}


@csrf_exempt
@login_not_required
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """Log the directive and the pattern of the page's address; other values may name a patient."""
    found = _report_in(request.body)
    if found is not None:
        message = "The Content-Security-Policy (%s) blocked something on %s"
        logs.warn_of(logger, request, message, *found)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _report_in(body: bytes) -> tuple[str, str] | None:
    try:
        violation: Any = json.loads(body)["csp-report"]
        directive = violation.get("effective-directive") or violation["violated-directive"]
        directive = directive.split()[0]
        path = urlsplit(violation["document-uri"]).path
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None
    return (directive, _pattern_of(path)) if directive in _DIRECTIVES else None


def _pattern_of(path: str) -> str:
    try:
        return logs.pattern_of(resolve(path))
    except Resolver404:
        return logs.pattern_of(None)
