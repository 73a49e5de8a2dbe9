"""Which roles may open a page: `@allow(Role.RADIOLOGIST)` on every view that is not public."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from webportal.accounts.models import Role, User

#: Roles that upload images: radiographers, and radiologists who upload themselves.
UPLOADERS: tuple[Role, ...] = (Role.UPLOADER, Role.RADIOLOGIST)
#: Users with only these roles look after all departments, and see no study by belonging to one.
ROLES_OF_ALL_DEPARTMENTS: tuple[Role, ...] = (Role.IT, Role.AUDITOR)

View = Callable[..., HttpResponseBase]


class SignedInRequest(HttpRequest):
    """A request that passed LoginRequiredMiddleware, for the type checker."""

    user: User


def allow(*roles: Role) -> Callable[[View], View]:
    """Allow a view for users with one of `roles`, or for every signed-in user if none is given.

    Others get 403. The roles are exposed as `view.allowed_roles`, for the test of every URL with
    every role.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if roles and not request.user.has_role(*roles):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.allowed_roles = roles or tuple(Role)  # type: ignore[attr-defined]
        return guarded

    return decorate
