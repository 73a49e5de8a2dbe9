"""Middleware: sessions, one-time passwords, second factors, and health checks without a session."""

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

from webportal.accounts import second_factor
from webportal.accounts.models import User
from webportal.programs import is_for_programs

# Open to everybody who is signed in, whatever they have to do first.
_OPEN_TO_ALL = (
    "accounts:sign-out",
    "accounts:change-password",
    "set-language",
    "in-use",
    "lock",
    "unlock",
    "unlock-passkey",
)


def skip_auth_for_health(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Serve the health endpoints without loading the user.

    Django's LoginRequiredMiddleware loads the user for every request, even if none is required, and
    that fails exactly when these endpoints should report that the database is down.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/health/"):
            request.user = AnonymousUser()
        return get_response(request)

    return middleware


class SignInMiddleware(LoginRequiredMiddleware):
    """Redirect to the sign-in page, and afterwards back to the requested page.

    Django's own returns to the requested URL. After a form submission, which is not repeated, this
    one returns to the page with the form.
    """

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseRedirect:
        """Redirect to the sign-in page."""
        if request.method in ("GET", "HEAD"):
            return super().handle_no_permission(request, view_func)
        return redirect_to_login(_referring_page(request), self.get_login_url(view_func))


def _referring_page(request: HttpRequest) -> str:
    sender = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(sender, {request.get_host()}):
        return reverse("home")
    parts = urlsplit(sender)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def require_own_password(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Redirect users with a one-time password to the page where they choose their own.

    The API and DICOMweb reject them themselves, in machine-readable form
    (webportal.api.permissions).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not getattr(request.user, "must_change_password", False):
            return get_response(request)
        if _is_open_to_all(request) or is_for_programs(request.path):
            return get_response(request)
        return redirect("accounts:change-password")

    return middleware


def require_second_factor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Redirect users whose role requires a second factor to the page where they add one.

    The API and DICOMweb reject them themselves, in machine-readable form
    (webportal.api.permissions).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or not second_factor.is_missing(user):
            return get_response(request)
        page = reverse("accounts:second-factor")
        if _is_open_to_all(request) or request.path == reverse("accounts:confirm"):
            return get_response(request)
        if request.path.startswith(page) or is_for_programs(request.path):
            return get_response(request)
        return redirect(page)

    return middleware


def _is_open_to_all(request: HttpRequest) -> bool:
    return request.path in [reverse(name) for name in _OPEN_TO_ALL]
