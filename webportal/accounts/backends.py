"""Authentication backend with throttling."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from webportal.accounts import throttle
from webportal.accounts.models import User
from webportal.accounts.throttle import Purpose


class ThrottledBackend(ModelBackend):
    """Django's check of the password, refused while too many were wrong."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user, or None; raises PermissionDenied while the name is throttled."""
        if username is None or password is None:
            return None
        try:
            throttle.begin(username, Purpose.SIGN_IN)
        except throttle.TooManyAttemptsError as error:
            raise PermissionDenied from error
        user = super().authenticate(request, username, password)
        if not isinstance(user, User):
            return None
        throttle.forget(username, Purpose.SIGN_IN)
        return user
