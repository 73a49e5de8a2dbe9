"""Browsers must not keep responses that may contain patient data: workstations are shared.

The viewer loses no time: it keeps the pixels of the next studies in the memory of the page
(frontend/src/viewer/ahead.ts), which is released with the page.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers


def keep_nothing(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Forbid browsers to store a response, unless its view marks it as public.

    Here and not in each view, so that none can be forgotten. Static files do not come this far.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if "public" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store, private"
            patch_vary_headers(response, ["Cookie"])
        return response

    return middleware
