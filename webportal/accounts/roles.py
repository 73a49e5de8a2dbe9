"""Which roles may open a page: `@allow(Role.RADIOLOGIST)` on every view that is not public."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from webportal.accounts.models import Role, User

#: Who sends images in: radiographers, and radiologists who upload themselves.
UPLOADERS: tuple[Role, ...] = (Role.UPLOADER, Role.RADIOLOGIST)

View = Callable[..., HttpResponseBase]


class SignedInRequest(HttpRequest):
    """A request that passed LoginRequiredMiddleware, for the type checker."""

    user: User


def allow(*roles: Role) -> Callable[[View], View]:
    """Open a view to people who hold one of `roles`, or to everyone signed in when none is given.

    Others get 403. The roles stay readable as `view.allowed_roles`, for the test that walks every
    URL with every role.
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
