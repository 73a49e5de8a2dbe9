"""Middleware: sessions, one-time passwords, and health checks without a session."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme


def skip_auth_for_health(
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


class SignInMiddleware(LoginRequiredMiddleware):
    """Ask for the sign-in, and come back to a page.

    Django's own comes back to the address that was asked for. Where something was sent to it that
    is not sent again, the page that it came from is the one to come back to.
    """

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseRedirect:
        """Redirect to the sign-in."""
        if request.method in ("GET", "HEAD"):
            return super().handle_no_permission(request, view_func)
        return redirect_to_login(_page_that_sent(request), self.get_login_url(view_func))


def _page_that_sent(request: HttpRequest) -> str:
    sender = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(sender, {request.get_host()}):
        return reverse("home")
    parts = urlsplit(sender)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


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
