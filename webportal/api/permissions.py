"""Who may use an endpoint."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class NoOne(BasePermission):
    """The default: an endpoint that names no roles is closed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse everyone."""
        return False
