"""Authentication backend with throttling, for passwords kept here or in the directory."""

from http import HTTPStatus
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext

from webportal.access.shown import sign_in_tried
from webportal.accounts import hashing, throttle
from webportal.accounts.devices import known_device
from webportal.accounts.directory import people
from webportal.accounts.directory.connection import DirectoryUnreachableError
from webportal.accounts.directory.passwords import is_of_directory
from webportal.accounts.federation import FederatedRefusal
from webportal.accounts.models import User
from webportal.accounts.sign_in import LocalSignInError, refuse_local
from webportal.accounts.turns import BusyError
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.client_address import client_address, network_of
from webportal.refusals import Refusal


class ExpiredPasswordError(Refusal):
    """The one-time password was correct but has expired."""

    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            "one_time_password_expired",
            gettext("Your one-time password has expired. Ask hospital IT for a new one."),
        )


class ThrottledBackend(ModelBackend):
    """Django's password check, then the directory's, with throttling and limited concurrency."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user, or None.

        Raises TooManyAttemptsError, BusyError or DirectoryUnreachableError if the password was not
        checked. None is a failed sign-in, so that a flood does not fill the audit trail. Raises
        ExpiredPasswordError for an expired one-time password, and FederatedRefusal for people of
        the directory who may not sign in here.
        """
        if username is None or password is None:
            return None
        network = network_of(client_address(request))
        attempt = throttle.sign_in_attempt(username, network, known_device(request, username))
        attempt.begin()
        try:
            with hashing.sign_ins.take():
                user = super().authenticate(request, username, password)
            if not isinstance(user, User) or is_of_directory(user):
                return self._of_directory(request, username, password, attempt)
        except (BusyError, DirectoryUnreachableError):
            attempt.withdraw()
            raise
        attempt.succeed()
        try:
            refuse_local(user)
        except LocalSignInError:
            detail = {"local_sign_in": "off"}
            sign_in_tried(request, user.username)
            append(Event(Action.SIGN_IN_FAILED, "user", user.pk, detail=detail), user)
            raise
        if user.has_expired_password:
            detail = {"one_time_password": "expired"}
            sign_in_tried(request, user.username)
            append(Event(Action.SIGN_IN_FAILED, "user", user.pk, detail=detail), user)
            raise ExpiredPasswordError
        return user

    def _of_directory(
        self, request: HttpRequest | None, name: str, password: str, attempt: throttle.Attempt
    ) -> User | None:
        try:
            user = people.sign_in(name, password)
        except (FederatedRefusal, ValidationError) as error:
            attempt.succeed()
            sign_in_tried(request, people.DIRECTORY)
            detail = {"directory": True}
            append(Event(Action.SIGN_IN_FAILED, "user", "", detail=detail), people.DIRECTORY)
            if isinstance(error, ValidationError):
                raise FederatedRefusal(" ".join(error.messages)) from error
            raise
        if user is not None:
            attempt.succeed()
        return user
