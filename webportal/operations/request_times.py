"""How long requests take, for `/metrics`: by URL pattern and class of status, never by URL.

Counted in this process since it started. Only one portal process runs on each host, so nothing has
to be summed over processes.
"""

from collections.abc import Callable
from time import perf_counter

from django.http import HttpRequest, HttpResponseBase
from prometheus_client import Histogram, disable_created_metrics

# An address that matches no pattern, or a static file.
OTHER = "other"
# From a page to the unpacking of a large ZIP.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

# Prometheus detects a restart by the counters, which start at zero.
disable_created_metrics()  # type: ignore[no-untyped-call]
durations = Histogram(
    "chestline_request_seconds",
    "How long the portal worked on requests, without receiving their body.",
    ["route", "status"],
    registry=None,
    buckets=BUCKETS,
)


def measure(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Measure the time until a response is ready; streaming its content is not included."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        began = perf_counter()
        response = get_response(request)
        match = request.resolver_match
        route = f"/{match.route}" if match else OTHER
        status = f"{response.status_code // 100}xx"
        durations.labels(route, status).observe(perf_counter() - began)
        return response

    return middleware
