"""Nothing that may tell of a patient stays in a browser: workstations are shared.

The viewer loses no time by it: it keeps the pixels of a reader's next studies in the memory of the
page (frontend/src/viewer/ahead.ts), which is gone with the page.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers


def keep_nothing(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Forbid browsers to keep an answer, unless its view calls it public.

    Here and not at each view, so that none can be forgotten. Static files never come this far.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if "public" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store, private"
            patch_vary_headers(response, ["Cookie"])
        return response

    return middleware
