"""Role-based permissions: each viewset lists the roles allowed for each action."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from webportal.accounts import second_factor
from webportal.accounts.models import Role, User

EVERYONE = tuple(Role)


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
            raise PermissionDenied(
                "Sign in to the portal and choose your own password first.",
                code="password_change_required",
            )
        if second_factor.is_missing(user):
            raise PermissionDenied(
                "Sign in to the portal and add a second factor first.",
                code="second_factor_required",
            )
        if view.action in (None, "metadata"):
            # The endpoint does not support the method; the answer to that is 405.
            return True
        return user.has_role(*view.roles.get(view.action, ()))
