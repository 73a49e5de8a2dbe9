"""Who asks for a page, and what must be true of them before it opens."""

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse


def ask_health_as_nobody(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer the health addresses without looking up who asks.

    Django's LoginRequiredMiddleware looks at the user of every request, also where none is
    required, and a lookup fails just when these addresses are to tell that the database is away.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/health/"):
            request.user = AnonymousUser()
        return get_response(request)

    return middleware


def require_own_password(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Send people with a one-time password to the page where they choose their own.

    The API refuses them itself, in words for programs (webportal.api.permissions).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not getattr(request.user, "must_change_password", False):
            return get_response(request)
        change = reverse("accounts:change-password")
        open_to_all = (change, reverse("accounts:sign-out"), reverse("set-language"))
        if request.path in open_to_all or request.path.startswith("/api/"):
            return get_response(request)
        return redirect(change)

    return middleware
