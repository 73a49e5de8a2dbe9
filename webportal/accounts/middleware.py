"""What must be true of a signed-in person before a page opens."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse


def require_own_password(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Send people with a one-time password to the page where they choose their own.

    The API refuses them itself, in words for programs (webportal.api.permissions).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not getattr(request.user, "must_change_password", False):
            return get_response(request)
        change, leave = reverse("accounts:change-password"), reverse("accounts:sign-out")
        if request.path in (change, leave) or request.path.startswith("/api/"):
            return get_response(request)
        return redirect(change)

    return middleware
