"""A span for each request to the portal: method, pattern of the address, and status."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase

from webportal import tracing

# Asked every few seconds by machines.
_UNTRACED = ("/health/", "/metrics", settings.STATIC_URL)
# Of RFC 9110 and RFC 5789. A client may send any other word.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


def trace_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Trace requests, by the semantic conventions of HTTP; streaming a response is not included."""
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        raise MiddlewareNotUsed

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_UNTRACED):
            return get_response(request)
        method = request.method if request.method in _METHODS else "_OTHER"
        assert method is not None
        with tracing.span(method, "SERVER") as span:
            response = get_response(request)
            if span is not None:
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.response.status_code", response.status_code)
                if (match := request.resolver_match) is not None:
                    span.set_attribute("http.route", f"/{match.route}")
                    span.update_name(f"{method} /{match.route}")
                if response.status_code >= 500:
                    tracing.mark_failed(span, str(response.status_code))
            return response

    return middleware
