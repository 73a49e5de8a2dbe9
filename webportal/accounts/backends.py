"""Authentication backend with throttling."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from webportal.accounts import hashing, throttle
from webportal.accounts.devices import known_device
from webportal.accounts.models import User
from webportal.client_address import client_address, network_of


class ThrottledBackend(ModelBackend):
    """Django's password check, subject to throttling and limited concurrency."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user, or None.

        Raises TooManyAttemptsError or BusyError if the password was not checked. Neither counts as
        a failed sign-in, so that a flood does not fill the audit trail.
        """
        if username is None or password is None:
            return None
        network = network_of(client_address(request))
        attempt = throttle.sign_in_attempt(username, network, known_device(request, username))
        attempt.begin()
        try:
            with hashing.sign_ins.take():
                user = super().authenticate(request, username, password)
        except hashing.BusyError:
            attempt.withdraw()
            raise
        if not isinstance(user, User):
            return None
        attempt.succeed()
        return user
