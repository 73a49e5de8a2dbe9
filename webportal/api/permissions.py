"""Role-based permissions: each viewset lists the roles allowed for each action."""

from typing import Any

from django.conf import settings
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from webportal.accounts import federation, second_factor
from webportal.accounts.models import ApiToken, Role, TokenScope, User

EVERYONE = tuple(Role)


class PasswordChangeRequired(PermissionDenied):
    """The caller has yet to replace a one-time password."""

    default_detail = "Sign in to the portal and choose your own password first."
    default_code = "password_change_required"


class SecondFactorRequired(PermissionDenied):
    """The caller's role requires a second factor, and there is none."""

    default_detail = "Sign in to the portal and add a second factor first."
    default_code = "second_factor_required"


class DenyAll(BasePermission):
    """The default: an endpoint that lists no roles is closed to everyone."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Refuse everyone."""
        return False


class ByRole(BasePermission):
    """Allows an action to callers who hold one of `view.roles[view.action]`.

    An action that is not listed there is closed to everyone.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the caller holds one of the roles; signed-out callers get 401."""
        user = request.user
        if not isinstance(user, User):
            return False
        if user.must_change_password:
            raise PasswordChangeRequired
        if second_factor.is_missing(user):
            raise SecondFactorRequired
        if isinstance(request.auth, ApiToken) and federation.is_long_unconfirmed(user):
            raise PermissionDenied(
                "Sign in to the portal again: the identity provider has not confirmed your groups"
                f" for {settings.API_TOKEN_CONFIRM_DAYS} days.",
                code="provider_sign_in_required",
            )
        if view.action in (None, "metadata"):
            # The endpoint does not support the method; the answer to that is 405.
            return True
        if isinstance(request.auth, ApiToken) and not _covers(request.auth, request, view):
            raise PermissionDenied(
                "This token may only read."
                if request.auth.scope == TokenScope.READ
                else "This token may only upload.",
                code="token_scope",
            )
        return user.has_role(*view.roles.get(view.action, ()))


def _covers(token: ApiToken, request: Request, view: Any) -> bool:
    if token.scope == TokenScope.READ:
        return request.method in SAFE_METHODS or view.action in view.read_by_post
    if token.scope == TokenScope.UPLOAD:
        return view.action in view.of_uploading
    return True
